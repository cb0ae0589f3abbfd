"""Music: pieces in eight genres, sequenced from chords, bass, melody and drums.

Notes are made once per pitch and placed many times, slightly off the beat and at varying level, so
that a 90 s piece takes a fraction of a second and never repeats exactly.
"""

from dataclasses import dataclass

import numpy as np

from soundstage.studio import instruments, synth
from soundstage.studio.instruments import MAJOR, MINOR, midi_hz, scale_pitch


@dataclass(frozen=True)
class Style:
    """What is typical of a genre; ranges are drawn from for every piece."""

    tempo: tuple  # beats per minute, lowest and highest
    beats: int  # beats in a bar
    scales: tuple  # scales to choose from
    lead: tuple  # instruments of the melody to choose from
    pad: tuple  # instruments of the chords to choose from
    drums: str  # pattern of kick (k), snare (s), hat (h), rest (.), per half beat
    density: float  # share of half beats with a melody note
    held: bool  # chords held over the bar, else struck on beats


STYLES = {
    "ambient": Style((55, 80), 4, (MAJOR, MINOR), ("bell", "pad"), ("pad",), "", 0.15, True),
    "classical": Style((70, 130), 4, (MAJOR, MINOR), ("strings", "piano"), ("strings",), "", 0.5, True),
    "rock": Style((100, 150), 4, (MAJOR, MINOR), ("drive", "organ"), ("drive",), "khshkhsh", 0.4, False),
    "techno": Style((115, 142), 4, (MINOR,), ("square", "bell"), ("square", "pad"), "khkhkhkh", 0.5, False),
    "waltz": Style((85, 180), 3, (MAJOR, MINOR), ("reed", "strings", "piano"), ("reed", "piano"), "k.h.h.", 0.5, False),
    "blues": Style(
        (60, 110), 4, ((0, 3, 5, 6, 7, 10), MINOR), ("drive", "pluck"), ("piano", "organ"), "k.shk.sh", 0.4, False
    ),
    "march": Style((95, 130), 4, (MAJOR,), ("brass", "reed"), ("brass",), "kss.ksss", 0.55, False),
    "bossa": Style((100, 150), 4, (MAJOR, MINOR), ("pluck", "piano"), ("pluck",), "k.hk.hk.", 0.4, False),
}


def music(genre, seconds, rng):
    """Return one piece of a genre, float32 (samples,), RMS 0.1 in its louder parts."""
    style = STYLES[genre]
    piece = _Piece(style, seconds, rng)
    for bar in range(piece.bars):
        piece.chords(bar)
        piece.bass(bar)
        piece.melody(bar)
        piece.drums(bar)
    sound = synth.room(piece.target, rng, rng.uniform(0.3, 1.5), rng.uniform(0.05, 0.4))
    return synth.level(sound * synth.wander(len(sound), rng, 1.0, 0.12, 0.15), 0.1)


class _Piece:
    """The state of a piece being written: key, tempo, chord sequence, notes made so far."""

    def __init__(self, style, seconds, rng):
        self.style, self.rng = style, rng
        self.target = np.zeros(synth.samples(seconds), dtype=np.float32)
        self.beat = 60.0 / rng.uniform(*style.tempo)
        self.bars = int(seconds / (self.beat * style.beats)) + 1
        self.root = int(rng.integers(45, 57))
        self.scale = style.scales[int(rng.integers(len(style.scales)))]
        self.lead = str(rng.choice(style.lead))
        self.pad = str(rng.choice(style.pad))
        self.bright = rng.uniform(0.5, 1.4)
        self.degrees = [0, *rng.choice((0, 1, 2, 3, 4, 5), 7)]
        self.degree = 7
        self.levels = {"chords": rng.uniform(0.15, 0.35), "bass": rng.uniform(0.3, 0.6)}
        self.levels |= {"melody": rng.uniform(0.25, 0.6), "drums": rng.uniform(0.2, 0.6)}
        self.made = {}

    def note(self, voice, pitch, seconds):
        """Return a note of a voice, made at most once per pitch and tenth of a second."""
        key = (voice, pitch, round(seconds, 1))
        if key not in self.made:
            made = tone(voice, midi_hz(pitch), max(0.1, key[2]), self.rng, self.bright)
            self.made[key] = synth.level(made, 0.2, 4.0)
        return self.made[key]

    def put(self, part, sound, beat):
        """Place a note of a part at a beat, a few milliseconds and decibels off."""
        start = beat * self.beat + 0.004 * self.rng.standard_normal()
        gain = self.levels[part] * self.rng.uniform(0.7, 1.1)
        synth.place(self.target, sound, max(0, synth.samples(max(start, 0.0))), gain)

    def chords(self, bar):
        """Three notes of the bar's chord, held or struck on the beats after the first."""
        degree, beats = self.degrees[bar % 8], self.style.beats
        strikes = [0] if self.style.held else list(range(beats > 2, beats))
        seconds = self.beat * (beats if self.style.held else 0.8)
        for strike in strikes:
            for step in (0, 2, 4):
                pitch = self.root + 12 + scale_pitch(self.scale, degree + step)
                self.put("chords", self.note(self.pad, pitch, seconds), bar * beats + strike)

    def bass(self, bar):
        """The chord's root on the first beat, and its fifth half-way where there are drums."""
        degree, beats = self.degrees[bar % 8], self.style.beats
        steps = ((0, 0), (beats // 2, 4)) if self.style.drums else ((0, 0),)
        for beat, step in steps:
            pitch = self.root - 12 + scale_pitch(self.scale, degree + step)
            self.put("bass", self.note("bass", pitch, self.beat * beats / len(steps)), bar * beats + beat)

    def melody(self, bar):
        """A walk over the scale, a note on some of the half beats."""
        for half in range(2 * self.style.beats):
            if self.rng.uniform() < self.style.density:
                self.degree = int(np.clip(self.degree + self.rng.integers(-2, 3), 4, 14))
                pitch = self.root + 12 + scale_pitch(self.scale, self.degree)
                seconds = self.beat * float(self.rng.choice((0.5, 1.0)))
                self.put("melody", self.note(self.lead, pitch, seconds), bar * self.style.beats + half / 2)

    def drums(self, bar):
        """The genre's pattern, with a few strokes left out."""
        for half in range(2 * self.style.beats if self.style.drums else 0):
            stroke = self.style.drums[half % len(self.style.drums)]
            if stroke != "." and self.rng.uniform() < 0.93:
                if stroke not in self.made:
                    self.made[stroke] = drum(stroke, self.rng)
                self.put("drums", self.made[stroke], bar * self.style.beats + half / 2)


def drum(stroke, rng):
    """Return one stroke: kick (k), snare (s) or hat (h)."""
    count = synth.samples(0.3 if stroke == "k" else 0.2)
    if stroke == "k":
        fall = synth.curve((2.5, 1.0, 0.8, 0.8), count)
        return synth.sine(rng.uniform(45, 70) * fall, count) * synth.decay(count, 0.05)
    if stroke == "s":
        rattle = synth.filtered(synth.noise(count, rng), rng.uniform(900, 1800), "highpass")
        skin = synth.sine(rng.uniform(160, 240), count)
        return (0.6 * rattle + skin) * synth.decay(count, rng.uniform(0.02, 0.05)) * 0.6
    hat = synth.filtered(synth.noise(count, rng), rng.uniform(5000, 9000), "highpass")
    return hat * synth.decay(count, rng.uniform(0.008, 0.03)) * 0.5


def tone(voice, pitch_hz, seconds, rng, bright=1.0):
    """Return one note of a voice of the orchestra, float32; bright tilts the harmonics."""
    count = synth.samples(seconds)
    if voice in ("pluck", "piano"):
        sustain = 0.997 if voice == "pluck" else 0.9985
        return synth.pluck(pitch_hz, seconds * 1.5, rng, min(0.3 * bright, 1.0), sustain)
    if voice == "strings":
        return instruments.bowed(pitch_hz, seconds, rng, (300, 700, 1500, 2800), 1.2 / bright)
    if voice == "reed":
        return instruments.reed(pitch_hz, seconds, rng)
    return _TONES[voice](pitch_hz, count, rng, bright)


def _pad(pitch_hz, count, rng, bright):
    amplitudes = synth.saw_amplitudes(10, 1.8 / bright)
    pair = [synth.harmonic(pitch_hz * x, count, amplitudes, rng.uniform()) for x in (0.997, 1.003)]
    return (pair[0] + pair[1]) * synth.envelope(count, 0.3, 0.5)


def _bell(pitch_hz, count, rng, bright):
    partials = zip((1, 2.76, 5.4, 8.9), (1, 0.5 * bright, 0.25 * bright, 0.1), strict=True)
    sound = sum(a * synth.sine(2 * pitch_hz * x, count) for x, a in partials)
    return (sound * synth.decay(count, 0.15)).astype(np.float32) * synth.envelope(count, 0.003, 0.05)


def _drive(pitch_hz, count, rng, bright):
    tone = synth.harmonic(pitch_hz, count, synth.saw_amplitudes(30, 0.7))
    fifth = synth.harmonic(pitch_hz * 1.5, count, synth.saw_amplitudes(20, 0.7))
    hard = np.tanh(3 * bright * (tone + 0.6 * fifth))
    return synth.filtered(hard, 4500, "lowpass") * synth.envelope(count, 0.01, 0.05)


def _organ(pitch_hz, count, rng, bright):
    drawbars = np.array([1, 0.8, 0.6, 0.4 * bright, 0, 0.3, 0, 0.3 * bright])
    return synth.harmonic(pitch_hz, count, drawbars) * synth.envelope(count, 0.01, 0.03)


def _square(pitch_hz, count, rng, bright):
    amplitudes = synth.saw_amplitudes(30, 1 / bright) * (np.arange(30) % 2 == 0)
    return synth.harmonic(pitch_hz, count, amplitudes) * synth.envelope(count, 0.005, 0.06)


def _brass(pitch_hz, count, rng, bright):
    dark = synth.harmonic(pitch_hz, count, synth.saw_amplitudes(20, 1.6 / bright))
    open_ = synth.harmonic(pitch_hz, count, synth.saw_amplitudes(30, 0.6 / bright))
    swell = synth.curve((0, 1, 0.7, 0.5), count)
    return (dark + 0.6 * open_ * swell) * synth.envelope(count, 0.04, 0.06)


def _bass(pitch_hz, count, rng, bright):
    amplitudes = synth.saw_amplitudes(8, 1.5 / bright)
    sound = synth.harmonic(pitch_hz, count, amplitudes) * synth.decay(count, 0.5)
    return sound * synth.envelope(count, 0.008, 0.05)


_TONES = {
    "pad": _pad,
    "bell": _bell,
    "drive": _drive,
    "organ": _organ,
    "square": _square,
    "brass": _brass,
    "bass": _bass,
}
