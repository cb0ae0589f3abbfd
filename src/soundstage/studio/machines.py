"""Sounds of engines, appliances, signals and things. Functions are (seconds, rng) -> float32."""

import numpy as np

from soundstage.studio import synth


def engine(firing_hz, count, rng, harmonics=30, tilt=0.7, roughness=0.3):
    """Return a combustion engine: uneven pulses at a per-sample firing rate, driven hard."""
    amplitudes = synth.saw_amplitudes(harmonics, tilt) * rng.uniform(0.4, 1.0, harmonics)
    pulses = synth.harmonic(firing_hz, count, amplitudes, rng.uniform())
    uneven = synth.harmonic(firing_hz * 0.5, count, rng.uniform(0, 1, 3), rng.uniform())
    hiss = synth.noise(count, rng) * (0.5 + 0.5 * pulses.clip(-1, 1))
    return np.tanh(pulses * (1 + 0.4 * uneven) + roughness * hiss).astype(np.float32)


def car(seconds, rng):
    """A car that idles or passes by: low engine, tyre noise, swell, sometimes its horn."""
    count = synth.samples(seconds)
    passing = np.exp(-(((synth.time(count) / seconds - rng.uniform(0.3, 0.7)) / 0.25) ** 2))
    doppler = synth.curve((1.06, 1.05, 1.0, 0.95, 0.94), count)
    motor = engine(rng.uniform(35, 95) * doppler, count, rng, 20, 1.2, 0.15)
    tyres = synth.shaped_noise(count, rng, (50, 300, 1200, 8000), (-20, 0, -2, -30))
    sound = (0.5 * motor + 0.6 * tyres) * (0.25 + passing)
    if rng.uniform() < 0.35:
        length = synth.samples(rng.uniform(0.3, 0.9))
        pitch = rng.uniform(330, 480)
        horn = sum(synth.harmonic(pitch * x, length, synth.saw_amplitudes(12, 0.8)) for x in (1, 1.26))
        horn *= synth.envelope(length, 0.02, 0.05)
        synth.place(sound, horn, int(rng.integers(0, count)), 0.8)
    return synth.filtered(sound, rng.uniform(3000, 9000), "lowpass")


def motorcycle(seconds, rng):
    """Revs of a motorcycle: explosive pulses whose rate jumps up and falls back."""
    count = synth.samples(seconds)
    base = rng.uniform(28, 60)
    points = base * (1 + rng.uniform(0, 2.0, max(3, int(2.5 * seconds))))
    firing = synth.curve(points, count)
    sound = engine(firing, count, rng, 40, 0.5, 0.5)
    return sound * (0.4 + 0.6 * firing / firing.max())


def chainsaw(seconds, rng):
    """A two-stroke at 90 to 170 Hz, harsh, idling and cutting by turns."""
    count = synth.samples(seconds)
    load = synth.curve(rng.choice((0.45, 0.8, 1.0), max(3, int(1.5 * seconds))), count)
    firing = rng.uniform(90, 170) * load * synth.wander(count, rng, 1.0, 0.02, 20)
    sound = engine(firing, count, rng, 60, 0.35, 0.7)
    return synth.filtered(sound, rng.uniform(120, 250), "highpass") * (0.3 + 0.7 * load)


def lawn_mower(seconds, rng):
    """A four-stroke at a steady 38 to 70 Hz with the whirr of its blade."""
    count = synth.samples(seconds)
    firing = rng.uniform(38, 70) * synth.wander(count, rng, 1.0, 0.015, 6)
    blade_hz = rng.uniform(2.0, 4.0)
    whirr = synth.shaped_noise(count, rng, (200, 900, 3000, 9000), (-15, 0, -6, -25))
    beat = 1 + 0.4 * synth.sine(firing * blade_hz / 2, count)
    return engine(firing, count, rng, 25, 0.9, 0.25) + rng.uniform(0.4, 0.9) * whirr * beat


def helicopter(seconds, rng):
    """Rotor blows of 9 to 22 per second in low noise, and a turbine's whine."""
    count = synth.samples(seconds)
    rate = rng.uniform(9, 22)
    cycles = synth.phase(rate, count, rng.uniform()) % 1.0
    blow = np.exp(-cycles * rng.uniform(4, 9)).astype(np.float32)
    low = synth.shaped_noise(count, rng, (30, 90, 400, 3000, 9000), (-6, 0, -8, -22, -45))
    whine_hz = rng.uniform(900, 3500) * synth.wander(count, rng, 1.0, 0.004, 3)
    whine = synth.sine(whine_hz, count) + 0.4 * synth.sine(1.5 * whine_hz, count)
    return low * (0.15 + blow) * synth.curve(rng.uniform(0.4, 1, 3), count) + 0.03 * whine


def vacuum_cleaner(seconds, rng):
    """A broad rush of air, a motor's tone and its whine, moved to and fro."""
    count = synth.samples(seconds)
    peak = rng.uniform(500, 1600)
    rush = synth.shaped_noise(count, rng, (60, 250, peak, 6000, 16000), (-18, -5, 0, -12, rng.uniform(-35, -22)))
    motor_hz = rng.uniform(180, 420) * synth.wander(count, rng, 1.0, 0.006, 2)
    motor = synth.harmonic(motor_hz, count, rng.uniform(0, 1, 14) * synth.saw_amplitudes(14, 0.6))
    strokes = 1 + 0.2 * synth.sine(rng.uniform(0.4, 1.1), count, rng.uniform())
    return (rush + rng.uniform(0.15, 0.6) * motor) * strokes


def blender(seconds, rng):
    """A kitchen motor under changing load: a rich tone that sags, with rattling noise."""
    count = synth.samples(seconds)
    sag = synth.wander(count, rng, 1.0, 0.08, 3)
    motor_hz = rng.uniform(160, 480) * sag
    tone = synth.harmonic(motor_hz, count, synth.saw_amplitudes(40, 0.45) * rng.uniform(0.2, 1, 40))
    rattle = synth.band_noise(count, rng, 1500, rng.uniform(4000, 9000), 18)
    chop = 1 + 0.6 * synth.wander(count, rng, 0.0, 1.0, 1) + 0.5 * synth.sine(motor_hz / 12, count)
    return np.tanh(0.8 * tone) + rng.uniform(0.3, 0.8) * rattle * chop


def frying(seconds, rng):
    """Hissing fat with crackles."""
    count = synth.samples(seconds)
    hiss = synth.shaped_noise(count, rng, (300, 2000, 6000, 16000), (-30, -6, 0, rng.uniform(-14, -4)))
    crackles = np.zeros(count, dtype=np.float32)
    number = rng.poisson(seconds * rng.uniform(15, 70))
    where = rng.integers(0, count, number)
    crackles[where] = rng.exponential(1.0, number) * rng.choice((-1, 1), number)
    peak = rng.uniform(2500, 6000)
    crackles = synth.resonate(crackles, (peak, peak * 1.7), (900, 1500), (8, 5))
    return hiss * synth.wander(count, rng, 0.4, 0.3, 4) + crackles


def basketball(seconds, rng):
    """Bounces on a hall's floor: a thump, a ring of the ball, echo; steady or dying away."""
    thump_hz, ring_hz = rng.uniform(70, 130), rng.uniform(500, 1100)
    length = synth.samples(0.25)
    fall = synth.curve((1.5, 1.0, 0.9, 0.9), length)
    bounce = synth.sine(thump_hz * fall, length) * synth.decay(length, 0.03)
    bounce += 0.3 * synth.sine(ring_hz, length) * synth.decay(length, rng.uniform(0.01, 0.03))
    bounce += 0.5 * synth.noise(length, rng) * synth.decay(length, 0.003)
    target = np.zeros(synth.samples(seconds), dtype=np.float32)
    start, gap = rng.uniform(0, 0.3), rng.uniform(0.35, 0.8)
    shrink = rng.choice((1.0, 0.88))
    while start < seconds:
        synth.place(target, bounce, synth.samples(start), rng.uniform(0.7, 1))
        start += gap * rng.uniform(0.93, 1.07)
        gap = max(0.1, gap * shrink)
    return synth.room(target, rng, rng.uniform(0.5, 1.5), rng.uniform(0.2, 0.6))


def fire_alarm(seconds, rng):
    """Piercing beeps (three and a pause, or steady), or a two-tone or sweeping horn."""
    count = synth.samples(seconds)
    pitch = rng.uniform(1800, 3600)
    now = synth.time(count) + rng.uniform(0, 1)
    style = rng.choice(("three", "steady", "sweep", "horn"))
    if style == "sweep":
        pitch = pitch * (0.5 + 0.35 * ((now * rng.uniform(0.8, 3)) % 1.0))
    if style == "horn":
        pitch = np.where((now * rng.uniform(0.8, 2)) % 1.0 < 0.5, pitch * 0.3, pitch * 0.24)
    tone = synth.harmonic(pitch, count, (1, 0, rng.uniform(0.1, 0.4), 0, 0.15), rng.uniform())
    if style == "three":
        tone = tone * ((now % 1.0 < 0.5) & ((now / 4) % 1.0 < 0.75))
    if style == "steady":
        tone = tone * ((now * rng.uniform(1.5, 4)) % 1.0 < 0.5)
    return synth.room(tone.astype(np.float32), rng, 0.4, rng.uniform(0.05, 0.3))


def telephone(seconds, rng):
    """A ringing bell (two gongs struck in turn) or an electronic trill, with pauses."""
    count = synth.samples(seconds)
    pitch, rate = rng.uniform(800, 1700), rng.uniform(16, 26)
    now = synth.time(count) + rng.uniform(0, 0.5)
    ring = rng.uniform(0.8, 1.6)
    gate = ((now % (ring + rng.uniform(0.6, 1.4))) < ring).astype(np.float32)
    gate = synth.filtered(gate, 30.0, "lowpass", 1)
    if rng.uniform() < 0.3:
        pair = np.where((now * rate / 2) % 1.0 < 0.5, pitch, pitch * 1.25)
        return synth.harmonic(pair, count, (1, 0.3, 0.2)) * gate
    strike = np.exp(-6 * ((now * rate) % 1.0)).astype(np.float32)
    partials = zip((1, 2.02, 2.74, 3.9, 5.4), rng.uniform(0.3, 1, 5), strict=True)
    bell = sum(a * synth.sine(pitch * x * rng.uniform(0.99, 1.01), count) for x, a in partials)
    return bell.astype(np.float32) * (0.3 + strike) * gate
