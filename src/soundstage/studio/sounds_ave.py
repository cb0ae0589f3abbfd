"""Sounds of the classes that AVE has and LLP lacks. Functions are (seconds, rng) -> float32, not yet levelled."""

import numpy as np

from soundstage.studio import synth
from soundstage.studio.creatures import repeat, throat
from soundstage.studio.instruments import MAJOR, MINOR, phrase
from soundstage.studio.machines import engine


def church_bell(seconds, rng):
    """Slow strokes of a great bell: inharmonic partials (hum, prime, tierce, quint, nominal) that ring long."""
    pitch = rng.uniform(180, 520)
    ratios = np.array((0.5, 1.0, 1.19, 1.5, 2.0, 2.65, 3.0, 4.1)) * rng.uniform(0.99, 1.01, 8)
    loud = np.array((0.5, 0.7, 0.8, 0.4, 1.0, 0.4, 0.3, 0.25)) * rng.uniform(0.6, 1.2, 8)

    def stroke():
        count = synth.samples(3.0)
        parts = zip(ratios, loud, np.linspace(1.0, 0.2, 8), strict=True)
        return sum(a * synth.sine(pitch * x, count) * synth.decay(count, half) for x, a, half in parts)

    return synth.room(repeat(seconds, rng, stroke, rng.uniform(0.8, 1.8), 0.1), rng, 1.5, 0.3)


def airplane(seconds, rng):
    """A jet overhead: a broad deep roar that swells and sinks, with a falling whine of the fans."""
    count = synth.samples(seconds)
    roar = synth.shaped_noise(count, rng, (30, 120, 500, 2500, 9000), (-8, 0, -3, -12, -32))
    whine = rng.uniform(1500, 3200) * synth.curve((1.08, 1.05, 1.0, 0.9, 0.86), count)
    tone = synth.harmonic(whine, count, (1, 0.5, 0.3)) * rng.uniform(0.03, 0.12)
    swell = synth.curve(np.concatenate([[0.5], rng.uniform(0.6, 1.0, 3), [0.5]]), count)
    return (roar * synth.wander(count, rng, 1.0, 0.1, 6) + tone) * swell


def race_car(seconds, rng):
    """High-revving engines that scream past one after another, the pitch falling as each goes by."""
    base = rng.uniform(130, 260)

    def lap():
        count = synth.samples(rng.uniform(1.4, 2.4))
        firing = base * synth.curve(np.array([1.2, 1.25, 1.15, 0.85, 0.8]) * rng.uniform(0.9, 1.1), count)
        sound = engine(firing, count, rng, 40, 0.5, 0.35)
        return sound * synth.curve((0.05, 0.3, 1.0, 0.3, 0.05), count)

    return repeat(seconds, rng, lap, rng.uniform(0.9, 1.6), 0.4) + 0.2 * lap_noise(seconds, rng)


def lap_noise(seconds, rng):
    """Return the far rumble of a race, float32 (samples,)."""
    count = synth.samples(seconds)
    return synth.shaped_noise(count, rng, (60, 300, 1500, 8000), (-10, 0, -8, -30))


def truck(seconds, rng):
    """A heavy diesel: slow knocking pulses, a deep rumble, hisses of the air brakes."""
    count = synth.samples(seconds)
    firing = rng.uniform(16, 28) * synth.curve(rng.uniform(0.8, 1.4, max(3, int(seconds))), count)
    sound = engine(firing, count, rng, 40, 0.8, 0.4)
    sound += 0.5 * synth.shaped_noise(count, rng, (30, 90, 400, 3000), (-6, 0, -12, -35))

    def hiss():
        length = synth.samples(rng.uniform(0.3, 0.7))
        return synth.band_noise(length, rng, 3000, 9000) * synth.envelope(length, 0.01, 0.2)

    return sound + 0.3 * repeat(seconds, rng, hiss, rng.uniform(2.0, 4.0), 0.5)


def bus(seconds, rng):
    """A bus: a smooth low motor whose gears climb, tyres, and the door's two-tone chime."""
    count = synth.samples(seconds)
    gear = (synth.time(count) * rng.uniform(0.4, 0.8) + rng.uniform()) % 1.0
    motor = synth.harmonic(rng.uniform(45, 75) * (1 + 0.9 * gear), count, synth.saw_amplitudes(14, 1.1))
    tyres = synth.shaped_noise(count, rng, (80, 400, 1500, 6000), (-12, 0, -6, -30))
    pitch = rng.uniform(700, 1000)

    def chime():
        length = synth.samples(0.7)
        tone = synth.sine(pitch * synth.curve((1.25, 1.25, 1.0, 1.0), length), length)
        return tone * synth.decay(length, 0.25)

    return motor + 0.4 * tyres + 0.8 * repeat(seconds, rng, chime, rng.uniform(2.5, 4.5), 0.4)


def train_horn(seconds, rng):
    """Long blasts of a chord of air horns."""
    root = rng.uniform(240, 330)
    chord = root * np.array((1.0, 1.19, 1.5, 1.78))[: int(rng.integers(3, 5))]

    def blast():
        count = synth.samples(rng.choice((0.5, 1.2, 1.8)))
        bend = synth.curve((0.96, 1.0, 1.0, 0.99), count)
        tone = sum(synth.harmonic(hz * bend, count, synth.saw_amplitudes(18, 0.6), rng.uniform()) for hz in chord)
        return np.tanh(0.5 * tone) * synth.envelope(count, 0.06, 0.15)

    return synth.room(repeat(seconds, rng, blast, rng.uniform(1.2, 2.2), 0.2), rng, 1.2, 0.3)


def clock(seconds, rng):
    """Ticks and tocks, dry and even."""
    rate = rng.uniform(1.6, 4.0)
    peaks = rng.uniform(1800, 3200), rng.uniform(1300, 2400)
    target = np.zeros(synth.samples(seconds), dtype=np.float32)
    length = synth.samples(0.06)
    for number in range(int(seconds * rate) + 1):
        burst = synth.noise(length, rng) * synth.decay(length, 0.004)
        peak = peaks[number % 2]
        tick = synth.resonate(burst, (peak, peak * 2.1), (peak * 0.08, peak * 0.1), (1, 0.6), 0.05)
        synth.place(target, tick, synth.samples((number + 0.3) / rate), rng.uniform(0.8, 1))
    return target


def toilet_flush(seconds, rng):
    """A rush of water that swells and sinks to a gurgle, again and again."""

    def flush():
        count = synth.samples(rng.uniform(2.2, 3.5))
        rush = synth.shaped_noise(count, rng, (100, 400, 1600, 7000), (-14, 0, -2, -22))
        gurgle_hz = synth.wander(count, rng, rng.uniform(250, 500), 0.4, 14)
        gurgle = synth.sine(gurgle_hz, count) * synth.wander(count, rng, 0.5, 0.9, 12).clip(0, None)
        return rush * synth.curve((0.3, 1, 0.9, 0.5, 0.2, 0.1), count) + gurgle * synth.curve((0, 0.3, 1, 1), count)

    return repeat(seconds, rng, flush, rng.uniform(2.0, 3.0), 0.2)


def goat(seconds, rng):
    """Bleats: a nasal voice that trembles fast."""
    base, size, rate = rng.uniform(220, 420), rng.uniform(1.0, 1.4), rng.uniform(8, 13)

    def bleat():
        count = synth.samples(rng.uniform(0.6, 1.2))
        tremble = synth.sine(rate, count)
        pitch = base * synth.curve((0.9, 1.1, 1.0, 0.9), count) * (1 + 0.07 * tremble)
        voice = throat(pitch, count, rng, "e", size, 0.15, 0.6)
        return voice * (1 + 0.7 * tremble) * synth.envelope(count, 0.05, 0.2)

    return repeat(seconds, rng, bleat, rng.uniform(1.0, 1.8))


def horse(seconds, rng):
    """Hoofs on stone in threes and fours, and a neigh that falls in a shake."""
    peak, gap = rng.uniform(700, 1500), rng.uniform(0.09, 0.16)
    base = rng.uniform(600, 1100)

    def gallop():
        target = np.zeros(synth.samples(4 * gap + 0.1), dtype=np.float32)
        length = synth.samples(0.08)
        for beat in range(int(rng.integers(3, 5))):
            burst = synth.noise(length, rng) * synth.decay(length, 0.008)
            hoof = synth.resonate(burst, (peak, peak * 0.3), (peak * 0.2, 90), (1, 1), 0.05)
            synth.place(target, hoof, synth.samples(beat * gap), rng.uniform(0.7, 1))
        return target

    def neigh():
        count = synth.samples(rng.uniform(1.0, 1.6))
        pitch = base * synth.curve((0.8, 1.3, 1.2, 0.9, 0.6), count) * (1 + 0.12 * synth.sine(11, count))
        return throat(pitch, count, rng, "i", 1.0, 0.3, 0.7) * synth.envelope(count, 0.05, 0.3)

    return 2 * repeat(seconds, rng, gallop, 4.6 * gap, 0.05) + repeat(seconds, rng, neigh, rng.uniform(2.5, 4.0), 0.4)


def rodents(seconds, rng):
    """High squeaks in quick runs, and scratching."""
    base = rng.uniform(2600, 5200)

    def squeak():
        count = synth.samples(rng.uniform(0.04, 0.11))
        pitch = base * synth.curve(np.array([0.85, 1.15, 1.0]) * rng.uniform(0.85, 1.2), count)
        return synth.harmonic(pitch, count, (1, 0.35, 0.1)) * synth.envelope(count, 0.008, 0.03)

    def scratch():
        count = synth.samples(rng.uniform(0.03, 0.08))
        return 0.4 * synth.band_noise(count, rng, 3000, 9000) * synth.decay(count, 0.015)

    return repeat(seconds, rng, squeak, rng.uniform(0.14, 0.35), 0.7) + repeat(seconds, rng, scratch, 0.12, 0.8)


def blown(pitch_hz, seconds, rng, breath):
    """Return one note of a flute: nearly a sine, with breath and vibrato."""
    count = synth.samples(seconds)
    vibrato = 1 + 0.008 * synth.sine(rng.uniform(4.5, 6), count) * synth.curve((0, 1, 1), count)
    tone = synth.harmonic(pitch_hz * vibrato, count, (1, 0.35, 0.12, 0.05), rng.uniform())
    air = synth.band_noise(count, rng, pitch_hz, 3 * pitch_hz, 24) * breath
    return (tone + air) * synth.envelope(count, 0.05, 0.08)


def flute(seconds, rng):
    """A phrase of a flute between C5 and C7."""
    breath, beat = rng.uniform(0.05, 0.2), rng.uniform(0.2, 0.6)
    scale = (MAJOR, MINOR)[int(rng.integers(2))]
    return phrase(seconds, rng, rng.integers(70, 80), beat, lambda hz, s: blown(hz, s, rng, breath), scale=scale)


def shofar(seconds, rng):
    """Blasts of a ram's horn: a raw brassy tone that jumps up a fifth, whole or broken."""
    root = rng.uniform(230, 420)
    parts = int(rng.choice((1, 3, 9)))

    def blast():
        count = synth.samples(2.0 / (parts if parts < 9 else 5))
        pitch = root * synth.curve((1.0, 1.0, 1.5, 1.5, 1.45), count) * synth.wander(count, rng, 1.0, 0.006, 20)
        tone = synth.harmonic(pitch, count, synth.saw_amplitudes(24, 0.55))
        brass = synth.resonate(tone, (700, 1500), (300, 500), (1, 0.6), 0.2)
        return np.tanh(3 * brass) * synth.envelope(count, 0.04, 0.08)

    return repeat(seconds, rng, blast, 2.2 / (parts if parts < 9 else 5), 0.05)


def ukulele(seconds, rng):
    """Fast strums of four short nylon strings, high up."""
    sustain = rng.uniform(0.985, 0.992)

    def note(hz, length):
        return synth.pluck(hz, min(0.5, 2 * length), rng, rng.uniform(0.25, 0.45), sustain)

    sound = phrase(seconds, rng, rng.integers(62, 70), rng.uniform(0.16, 0.3), note, (3, 4), lengths=(1, 1, 1, 2))
    return synth.resonate(sound, (320, 640), (80, 160), (1.5, 0.8), dry=1.0)


def mandolin(seconds, rng):
    """Tremolo on doubled steel strings."""
    bright, sustain, rate = rng.uniform(0.8, 1.0), rng.uniform(0.99, 0.995), rng.uniform(11, 16)

    def note(hz, length):
        target = np.zeros(synth.samples(length), dtype=np.float32)
        for start in np.arange(0, length, 1 / rate):
            for detune in (0.997, 1.003):
                string = synth.pluck(hz * detune, 0.3, rng, bright, sustain)
                synth.place(target, string, synth.samples(start), rng.uniform(0.7, 1))
        return target

    return phrase(seconds, rng, rng.integers(57, 69), rng.uniform(0.35, 0.7), note)
