"""Sounds of people and animals: voices made by a throat model, crowds, claps.

Every function is (seconds, rng) -> float32 (samples,) at 48 kHz, not yet levelled, and draws
pitch, tempo, timbre and envelope anew, so that two draws of a class differ.
"""

import numpy as np

from soundstage.studio import synth

VOWELS = {  # formant centres in Hz of an adult; scaled by the size of the throat
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}


def throat(pitch_hz, count, rng, vowel="a", size=1.0, breath=0.05, tilt=1.0):
    """Return a voiced sound of per-sample or constant pitch through the formants of a vowel.

    size scales the formants (small throats above 1); breath is the share of noise; tilt the fall
    of the harmonics.
    """
    voiced = synth.harmonic(pitch_hz, count, synth.saw_amplitudes(60, tilt), rng.uniform())
    source = voiced + np.float32(breath) * synth.noise(count, rng)
    peaks = [peak * size * rng.uniform(0.93, 1.07) for peak in VOWELS[vowel]]
    return synth.resonate(source, peaks, (90, 120, 180), (1.0, 0.7, 0.4), dry=0.03)


def repeat(seconds, rng, make, gap_seconds, spread=0.3):
    """Return calls of make() one after another, about gap_seconds between their starts."""
    target = np.zeros(synth.samples(seconds), dtype=np.float32)
    start = rng.uniform(0, 0.5 * min(gap_seconds, 1.0))
    while start < seconds:
        synth.place(target, make(), synth.samples(start), rng.uniform(0.6, 1.0))
        start += gap_seconds * (1 + spread * rng.uniform(-1, 1))
    return target


def dog(seconds, rng):
    """Barks: short falling voiced bursts with noise, alone or in twos and threes."""
    base, size = rng.uniform(220, 700), rng.uniform(0.8, 1.6)
    length = rng.uniform(0.12, 0.3)

    def bark():
        count = synth.samples(length * rng.uniform(0.8, 1.2))
        pitch = synth.curve(base * np.array([0.8, 1.3, 1.0, 0.6]) * rng.uniform(0.9, 1.1), count)
        voice = throat(pitch, count, rng, "a", size, breath=0.5, tilt=0.7)
        return np.tanh(4 * voice) * synth.envelope(count, 0.01, 0.12)

    return repeat(seconds, rng, bark, rng.uniform(0.3, 0.9), 0.4)


def cat(seconds, rng):
    """Meows: a voiced arch of pitch while the mouth opens and closes."""
    base, size = rng.uniform(380, 800), rng.uniform(1.2, 1.7)

    def meow():
        count = synth.samples(rng.uniform(0.5, 1.1))
        pitch = synth.curve(base * np.array([0.8, 1.2, 1.15, 0.95, 0.75]), count)
        closed = throat(pitch, count, rng, "i", size, 0.04)
        opened = throat(pitch, count, rng, "a", size, 0.04)
        mix = synth.curve((0, 0.7, 1, 0.6, 0.1), count)
        return (closed * (1 - mix) + opened * mix) * synth.envelope(count, 0.08, 0.25)

    return repeat(seconds, rng, meow, rng.uniform(1.0, 1.8))


def chicken(seconds, rng):
    """A cock's crow in four notes, or the short rising clucks of hens."""
    base = rng.uniform(420, 800)
    size = rng.uniform(1.2, 1.8)

    def crow():
        count = synth.samples(rng.uniform(1.3, 2.0))
        shape = np.array([0.8, 0.9, 0.7, 1.1, 1.0, 1.35, 1.3, 1.25, 0.9, 0.6])
        pitch = synth.curve(base * shape, count) * synth.wander(count, rng, 1.0, 0.02, 40)
        loud = synth.curve((0.5, 1, 0.2, 1, 0.3, 1, 1, 1, 0.7, 0), count)
        return np.tanh(3 * throat(pitch, count, rng, "e", size, 0.2, 0.6)) * loud

    def cluck():
        count = synth.samples(rng.uniform(0.06, 0.16))
        pitch = synth.curve(base * np.array([0.7, 1.0, 1.3]) * rng.uniform(0.9, 1.2), count)
        return throat(pitch, count, rng, "o", size, 0.3) * synth.envelope(count, 0.01, 0.05)

    if rng.uniform() < 0.5:
        return repeat(seconds, rng, crow, rng.uniform(2.0, 2.6))
    return repeat(seconds, rng, cluck, rng.uniform(0.2, 0.45), 0.6)


def baby_laughter(seconds, rng):
    """Runs of short high 'ha' bursts whose pitch rises and falls."""
    base, rate = rng.uniform(300, 560), rng.uniform(3.5, 6.0)
    size = rng.uniform(1.3, 1.7)

    def giggle():
        beats = int(rng.integers(4, 9))
        target = np.zeros(synth.samples(beats / rate + 0.2), dtype=np.float32)
        for beat in range(beats):
            count = synth.samples(0.6 / rate)
            arch = base * (1 + 0.25 * np.sin(np.pi * beat / beats) + rng.uniform(-0.05, 0.05))
            pitch = synth.curve(arch * np.array([1.1, 1.0, 0.85]), count)
            ha = throat(pitch, count, rng, "a", size, 0.25) * synth.envelope(count, 0.02, 0.06)
            synth.place(target, ha, synth.samples(beat / rate), 1 - 0.07 * beat)
        return target

    return repeat(seconds, rng, giggle, rng.uniform(1.3, 2.2))


def baby_cry(seconds, rng):
    """Long wails with a rising and falling pitch, harsh at the top, a breath between them."""
    base, size = rng.uniform(320, 560), rng.uniform(1.3, 1.7)

    def wail():
        count = synth.samples(rng.uniform(0.7, 1.3))
        shape = np.array([0.8, 1.1, 1.15, 1.1, 1.0, 0.75])
        pitch = synth.curve(base * shape, count) * synth.wander(count, rng, 1.0, 0.015, 25)
        voice = throat(pitch, count, rng, "a", size, 0.08, 0.7)
        return np.tanh(2.5 * voice) * synth.envelope(count, 0.08, 0.3)

    return repeat(seconds, rng, wail, rng.uniform(1.1, 1.7))


def singing(seconds, rng):
    """A sung melody on vowels, with vibrato."""
    root = rng.uniform(110, 330)
    size = 0.9 + 0.3 * (root - 110) / 220
    beat = rng.uniform(0.35, 0.9)
    steps = np.array([0, 2, 4, 5, 7, 9, 12])

    def note():
        count = synth.samples(beat * rng.choice((1, 1, 2)))
        pitch_hz = root * 2 ** (rng.choice(steps) / 12)
        vibrato = 1 + 0.015 * synth.sine(rng.uniform(4.5, 6.5), count) * synth.curve((0, 1, 1), count)
        vowel = rng.choice(list(VOWELS))
        voice = throat(pitch_hz * vibrato, count, rng, vowel, size, 0.02, 1.1)
        return voice * synth.envelope(count, 0.06, 0.12)

    return repeat(seconds, rng, note, beat, 0.05)


def cheering(seconds, rng):
    """A crowd's roar: many shouting voices over vowel-coloured noise, whistles, some claps."""
    count = synth.samples(seconds)
    peaks = [peak * rng.uniform(0.9, 1.3) for peak in VOWELS["a"]]
    roar = synth.resonate(synth.noise(count, rng), peaks, (300, 400, 600), (1, 0.8, 0.5), 0.02)
    roar = synth.level(roar * synth.wander(count, rng, 1.0, 0.2, 2), 0.12)
    for _ in range(int(rng.integers(2, 5))):
        pitch = synth.wander(count, rng, rng.uniform(200, 480), 0.2, 1.5)
        loud = synth.wander(count, rng, 0.5, 0.8, 2).clip(0, None)
        roar += 0.2 * synth.harmonic(pitch, count, synth.saw_amplitudes(12, 0.8)) * loud
    if rng.uniform() < 0.5:
        synth.place(roar, whistle(rng), int(rng.integers(0, count)), rng.uniform(0.05, 0.3))
    return roar + rng.uniform(0, 0.5) * clapping(seconds, rng)


def whistle(rng):
    """Return one whistle of a spectator, 0.3 to 0.8 s."""
    count = synth.samples(rng.uniform(0.3, 0.8))
    pitch = synth.curve(rng.uniform(1500, 2600) * np.array([0.8, 1.2, 1.1, 0.8]), count)
    return synth.sine(pitch, count) * synth.envelope(count, 0.05, 0.1)


def clapping(seconds, rng):
    """One pair of hands at a steady pace, or many at their own."""
    count = synth.samples(seconds)
    hands = int(rng.choice((1, 2, 8, 20)))
    target = np.zeros(count, dtype=np.float32)
    for _ in range(hands):
        peak = rng.uniform(900, 2600)
        length = synth.samples(0.05)
        burst = synth.noise(length, rng) * synth.decay(length, rng.uniform(0.003, 0.008))
        clap = synth.resonate(burst, (peak, peak * 1.9), (peak * 0.4, peak * 0.6), (1, 0.5), 0.1)
        gap = rng.uniform(0.18, 0.4)
        for start in np.arange(rng.uniform(0, gap), seconds, gap):
            at = synth.samples(start + 0.02 * rng.standard_normal())
            synth.place(target, clap, at, rng.uniform(0.6, 1.0) / hands**0.5)
    return target
