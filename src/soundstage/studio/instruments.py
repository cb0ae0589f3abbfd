"""Musical instruments: one note at a time, and the short phrases of the instrument classes."""

import numpy as np

from soundstage.studio import synth

# Semitones above the root from which phrases are drawn.
MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)


def midi_hz(pitch):
    """Return the frequency in Hz of a MIDI pitch (69 = A4 = 440 Hz)."""
    return 440.0 * 2.0 ** ((pitch - 69) / 12)


def bowed(pitch_hz, seconds, rng, body_hz, tilt=0.9):
    """Return one bowed note: a slow attack, vibrato, bow noise, resonances of the body."""
    count = synth.samples(seconds)
    vibrato = 1 + 0.006 * synth.sine(rng.uniform(4.5, 6.5), count) * synth.curve((0, 1, 1), count)
    tone = synth.harmonic(pitch_hz * vibrato, count, synth.saw_amplitudes(50, tilt), rng.uniform())
    tone += 0.03 * synth.noise(count, rng)
    widths = [hz * 0.12 for hz in body_hz]
    sound = synth.resonate(tone, body_hz, widths, np.linspace(3, 1, len(body_hz)), dry=0.25)
    return sound * synth.envelope(count, rng.uniform(0.04, 0.15), 0.1)


def reed(pitch_hz, seconds, rng, detune=0.006):
    """Return one accordion note: two or three reeds slightly out of tune with one another."""
    count = synth.samples(seconds)
    amplitudes = synth.saw_amplitudes(25, 0.8) * (1 + 0.6 * (np.arange(25) % 2 == 0))
    ratios = (1 - detune, 1 + detune, 1.0)[: int(rng.integers(2, 4))]
    tone = sum(synth.harmonic(pitch_hz * x, count, amplitudes, rng.uniform()) for x in ratios)
    return tone * synth.envelope(count, 0.04, 0.08)


def phrase(seconds, rng, root, beat_seconds, note, chord_sizes=(1,), scale=MAJOR, lengths=(1, 1, 2)):
    """Return notes drawn from a scale above MIDI pitch `root`, one after another.

    note(pitch_hz, seconds) makes one; chord_sizes are the choices of how many sound at once.
    """
    target = np.zeros(synth.samples(seconds), dtype=np.float32)
    start, degree = rng.uniform(0, 0.3) * beat_seconds, int(rng.integers(0, 8))
    while start < seconds:
        length = beat_seconds * rng.choice(lengths)
        degree = int(np.clip(degree + rng.integers(-3, 4), 0, 13))
        for voice in range(int(rng.choice(chord_sizes))):
            pitch = root + scale_pitch(scale, degree + 2 * voice)
            sound = note(midi_hz(pitch), length * 1.1)
            synth.place(target, sound, synth.samples(start), rng.uniform(0.6, 1))
        start += length
    return target


def scale_pitch(scale, degree):
    """Return semitones above the root of a scale degree (0 = the root; 7 = an octave above)."""
    return scale[degree % len(scale)] + 12 * (degree // len(scale))


def cello(seconds, rng):
    """A slow bowed phrase between C2 and C4."""
    body = [hz * rng.uniform(0.9, 1.1) for hz in (110, 220, 400, 900, 1700)]
    tilt, beat = rng.uniform(0.8, 1.2), rng.uniform(0.5, 1.2)
    return phrase(seconds, rng, rng.integers(36, 50), beat, lambda hz, s: bowed(hz, s, rng, body, tilt))


def violin(seconds, rng):
    """A bowed phrase between G3 and E6."""
    body = [hz * rng.uniform(0.9, 1.1) for hz in (280, 470, 900, 1800, 3000)]
    tilt, beat = rng.uniform(0.65, 1.0), rng.uniform(0.18, 0.8)
    return phrase(seconds, rng, rng.integers(55, 72), beat, lambda hz, s: bowed(hz, s, rng, body, tilt))


def banjo(seconds, rng):
    """Fast bright plucked rolls with little sustain."""
    sustain, bright = rng.uniform(0.975, 0.988), rng.uniform(0.7, 1.0)

    def note(hz, length):
        return synth.pluck(hz, min(0.5, length * 2), rng, bright, sustain)

    sound = phrase(seconds, rng, rng.integers(55, 67), rng.uniform(0.1, 0.18), note)
    ring = rng.uniform(500, 900)
    return synth.resonate(sound, (ring, ring * 2.3), (150, 400), (2, 1), dry=1.0)


def guitar(seconds, rng):
    """Strummed chords or picked notes of nylon or steel strings."""
    sustain, bright = rng.uniform(0.993, 0.998), rng.uniform(0.25, 0.7)
    sizes = ((1,), (3, 4), (1, 2, 3))[int(rng.integers(3))]

    def note(hz, length):
        return synth.pluck(hz, min(1.5, length * 2 + 0.3), rng, bright, sustain)

    root, beat = rng.integers(40, 56), rng.uniform(0.2, 0.6)
    sound = phrase(seconds, rng, root, beat, note, sizes, (MAJOR, MINOR)[int(rng.integers(2))])
    return synth.resonate(sound, (105, 210, 420), (30, 60, 120), (1.5, 1, 0.5), dry=1.0)


def accordion(seconds, rng):
    """Held chords and melodies of beating reeds."""
    detune, beat = rng.uniform(0.002, 0.01), rng.uniform(0.3, 0.8)
    return phrase(
        seconds,
        rng,
        rng.integers(52, 66),
        beat,
        lambda hz, length: reed(hz, length, rng, detune),
        (1, 2, 3),
        (MAJOR, MINOR)[int(rng.integers(2))],
    )
