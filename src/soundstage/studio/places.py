"""Ambiences of the locations: (seconds, rng) -> float32, not yet levelled; never repeating."""

import numpy as np

from soundstage.studio import creatures, machines, synth


def sprinkle(target, rng, per_second, make, low=0.1, high=1.0):
    """Add make() to `target` at random times, about per_second a second, at random levels."""
    number = rng.poisson(per_second * len(target) / synth.AUDIO_HZ)
    for _ in range(number):
        sound = make()
        start = int(rng.integers(-len(sound) // 2, len(target)))
        synth.place(target, sound, start, rng.uniform(low, high))


def street(seconds, rng):
    """Distant traffic with passing cars and now and then steps."""
    count = synth.samples(seconds)
    hum = synth.shaped_noise(count, rng, (40, 120, 700, 3000, 12000), (-4, 0, -10, -25, -45))
    hum *= synth.wander(count, rng, 1.0, 0.25, 0.4)
    sprinkle(hum, rng, 0.12, lambda: synth.level(machines.car(rng.uniform(3, 5), rng), 1.0, 9))
    return hum


def forest(seconds, rng):
    """Wind in leaves, and birds."""
    count = synth.samples(seconds)
    wind = synth.shaped_noise(count, rng, (100, 500, 3000, 9000), (-18, -5, 0, -16))
    wind *= synth.wander(count, rng, 1.0, 0.45, 0.5).clip(0.1, None)
    base = rng.uniform(2200, 5000)

    def bird():
        length = synth.samples(rng.uniform(0.08, 0.5))
        warble = rng.uniform(0.02, 0.12) * synth.sine(rng.uniform(8, 30), length)
        pitch = synth.curve(base * rng.uniform(0.7, 1.3, 3), length) * (1 + warble)
        return synth.sine(pitch, length) * synth.envelope(length, 0.02, 0.05)

    sprinkle(wind, rng, rng.uniform(0.5, 2.0), bird, 0.5, 3.0)
    return wind


def office(seconds, rng):
    """Ventilation, a mains hum, keys being struck."""
    count = synth.samples(seconds)
    air = synth.shaped_noise(count, rng, (40, 200, 1000, 6000), (-3, 0, -14, -34))
    air += 0.25 * synth.harmonic(rng.choice((50.0, 60.0)), count, (1, 0.8, 0.2, 0.4))

    def key():
        length = synth.samples(0.03)
        click = synth.noise(length, rng) * synth.decay(length, 0.004)
        return synth.resonate(click, (rng.uniform(1800, 4200),), (900,), (2.0,), 0.2)

    sprinkle(air, rng, rng.uniform(1.5, 5), key, 0.4, 1.6)
    return air


def kitchen(seconds, rng):
    """A refrigerator's hum, running water, clinking dishes."""
    count = synth.samples(seconds)
    hum = 0.5 * synth.harmonic(rng.choice((50.0, 60.0)) * 2, count, (1, 0.6, 0.3, 0.2, 0.1))
    water = synth.shaped_noise(count, rng, (200, 1500, 5000, 14000), (-22, -4, 0, -10))
    sound = hum + water * synth.wander(count, rng, 0.4, 0.8, 0.3).clip(0.05, None)

    def clink():
        length = synth.samples(0.25)
        pitch = rng.uniform(1500, 4500)
        tones = sum(synth.sine(pitch * ratio, length) for ratio in (1, 2.3, 3.1))
        return (tones * synth.decay(length, rng.uniform(0.01, 0.05))).astype(np.float32)

    sprinkle(sound, rng, rng.uniform(0.3, 1.2), clink, 0.3, 1.5)
    return sound


def beach(seconds, rng):
    """Waves that swell and break every 4 to 9 s, and gulls."""
    count = synth.samples(seconds)
    surf = synth.shaped_noise(count, rng, (60, 400, 2500, 12000), (-6, 0, -5, -14))
    swell = 0.5 + 0.5 * synth.sine(synth.wander(count, rng, rng.uniform(0.11, 0.25), 0.15, 0.3), count)
    surf *= 0.2 + swell**2

    def gull():
        length = synth.samples(rng.uniform(0.2, 0.5))
        pitch = synth.curve(rng.uniform(900, 1500) * np.array([0.9, 1.3, 0.8]), length)
        return creatures.throat(pitch, length, rng, "e", 1.6, 0.1) * synth.envelope(length, 0.03, 0.1)

    sprinkle(surf, rng, 0.25, gull, 0.5, 2.0)
    return surf


def station(seconds, rng):
    """A hall: rumble, a murmur of many people, steps and chimes with a long echo."""
    count = synth.samples(seconds)
    rumble = synth.shaped_noise(count, rng, (40, 90, 400, 3000), (0, 0, -12, -34))
    murmur = synth.shaped_noise(count, rng, (150, 450, 900, 3000, 8000), (-15, 0, -4, -16, -40))
    sound = rumble + 0.8 * murmur * synth.wander(count, rng, 1.0, 0.35, 3.5)

    def step():
        length = synth.samples(0.05)
        return synth.noise(length, rng) * synth.decay(length, 0.006)

    def chime():
        length = synth.samples(0.9)
        pitch = rng.uniform(450, 800)
        return synth.harmonic(pitch, length, (1, 0.3, 0.1)) * synth.decay(length, 0.2)

    sprinkle(sound, rng, 1.5, step, 0.3, 1.2)
    sprinkle(sound, rng, 0.08, chime, 0.4, 1.0)
    return synth.room(sound, rng, 1.6, 0.7)


def night(seconds, rng):
    """Crickets over a quiet breeze."""
    count = synth.samples(seconds)
    breeze = 0.5 * synth.shaped_noise(count, rng, (60, 250, 1500, 8000), (-4, 0, -14, -30))
    for _ in range(int(rng.integers(1, 4))):
        chirps = (synth.time(count) * rng.uniform(0.8, 2.5) + rng.uniform()) % 1.0 < 0.35
        pulses = 0.5 + 0.5 * synth.sine(rng.uniform(25, 50), count, rng.uniform())
        tone = synth.sine(rng.uniform(3500, 5500), count, rng.uniform())
        breeze += rng.uniform(0.1, 0.5) * tone * pulses * chirps
    return breeze


def rain(seconds, rng):
    """Steady rain with drops near by, and distant thunder now and then."""
    count = synth.samples(seconds)
    sound = synth.shaped_noise(count, rng, (100, 700, 4000, 15000), (-16, -6, 0, rng.uniform(-10, -2)))
    sound *= synth.wander(count, rng, 1.0, 0.1, 0.5)
    drops = np.zeros(count, dtype=np.float32)
    where = rng.integers(0, count, rng.poisson(seconds * rng.uniform(5, 25)))
    drops[where] = rng.exponential(1.0, len(where))
    sound += synth.resonate(drops, (rng.uniform(900, 2500),), (300,), (30.0,))

    def thunder():
        length = synth.samples(3.0)
        roll = synth.shaped_noise(length, rng, (30, 80, 300, 1200), (0, 0, -12, -40))
        return roll * synth.envelope(length, 0.3, 2.4)

    sprinkle(sound, rng, 0.04, thunder, 0.5, 2.0)
    return sound
