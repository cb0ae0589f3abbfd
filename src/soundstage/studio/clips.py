"""The clips of the audio benchmarks: what is heard in each, and which answer is right.

Every clip is dressed at random (level, equalisation, background), so that neither loudness nor
colour gives the answer away, and folds share no voice, no instrument and no spoken core sentence.
"""

from dataclasses import dataclass

import numpy as np

from soundstage.studio import instruments, lines, mix, music, sound, speech, synth
from soundstage.studio.creatures import throat
from soundstage.studio.names import EVENTS, GENRES, LANGUAGES, LOCATIONS, MANNERS
from soundstage.studio.plan import EQUALISER_HZ
from soundstage.units import AUDIO_HZ, rng_of

FOLDS = 5
POOL = "benchmarks"
WORDS = tuple("yes no up down left right stop go river candle seven mirror".split())
PITCHES = tuple(range(52, 76))  # MIDI, E3 to D#5
MOST_SPEAKERS = 5
FAMILIES = ("pluck", "strings", "reed", "organ", "square", "brass", "piano", "pad", "voice")
INSTRUMENTS_PER_FOLD = 9


@dataclass(frozen=True)
class Task:
    """An audio benchmark: its vocabulary, clip length and how a clip is made.

    make(label, fold, rng) returns (tuple of labels, float32 (samples,) at 48 kHz) of one clip whose
    main label is given.
    """

    labels: tuple
    seconds: float
    make: object
    multilabel: bool = False


def worn(clip, rng, spread_db=3.0):
    """Return a clip at a drawn level (RMS -34 to -18 dB) with a drawn equalisation."""
    clip = mix.equalised(clip, rng.normal(0, spread_db, len(EQUALISER_HZ)))
    return mix.limited(synth.level(clip, 10 ** (rng.uniform(-34, -18) / 20)))


def backed(clip, rng, low_db, high_db):
    """Return a clip over the ambience of some location; its level against that is drawn in dB."""
    seconds = len(clip) / AUDIO_HZ
    ambience = sound.ambience(str(rng.choice(LOCATIONS)), seconds, rng)
    return clip + ambience * np.float32(10 ** (-rng.uniform(low_db, high_db) / 20))


def fold_voice(fold, rng):
    """Return a voice of the benchmark pool whose synthesizer variant occurs in this fold alone."""
    count = len(speech.variants(POOL))
    variant = int(rng.choice(np.arange(fold, count, FOLDS)))
    return speech.voice(POOL, variant + count * int(rng.integers(0, 1000)))


def fold_line(language, fold, rng):
    """Return a line of the benchmark pool whose core sentence occurs in this fold alone."""
    cores = lines.cores(language, POOL)
    return lines.line(language, rng, POOL, cores[fold::FOLDS])


def events(label, fold, rng):
    """One or two overlapping events under an ambience; all of them are the answer."""
    others = [name for name in EVENTS if name != label]
    names = [label, *rng.choice(others, int(rng.integers(0, 2)), replace=False)]
    clip = sound.silence(3.0)
    for name in names:
        seconds = float(rng.uniform(1.2, 3.0))
        start = synth.samples(rng.uniform(0, 3.0 - seconds))
        event = _event(str(name), seconds, fold, rng)
        synth.place(clip, event, start, 10 ** (rng.uniform(-4, 4) / 20))
    return tuple(str(name) for name in names), worn(backed(clip, rng, 0, 12), rng)


def _event(name, seconds, fold, rng):
    if name != "Speech":
        return sound.event(name, seconds, rng)
    return talk(fold, rng, seconds)


def talk(fold, rng, seconds, language=None, manner="neutral"):
    """Return somebody who talks for `seconds`, in a voice and with lines of this fold alone."""
    language = language or str(rng.choice(LANGUAGES))
    voice = fold_voice(fold, rng)
    return speech.spoken(language, voice, manner, seconds, lambda: fold_line(language, fold, rng))[1]


def scenes(label, fold, rng):
    """A location's ambience behind events, music or talk that belong to no place."""
    clip = sound.ambience(label, 3.0, rng)
    for _ in range(int(rng.integers(2, 4))):
        kind = int(rng.integers(3))
        if kind == 0:
            other = sound.event(str(rng.choice(EVENTS[1:])), float(rng.uniform(1, 3)), rng)
        elif kind == 1:
            other = sound.music(str(rng.choice(GENRES)), 2.0, rng)
        else:
            other = talk(fold, rng, float(rng.uniform(1, 3)))
        start = int(rng.integers(0, len(clip) - len(other) + 1))
        synth.place(clip, other, start, 10 ** (rng.uniform(4, 13) / 20))
    return (label,), worn(clip, rng, 5.0)


def pitch(label, fold, rng):
    """One note of an instrument of this fold, a little out of tune, over an ambience."""
    number = fold + FOLDS * int(rng.integers(INSTRUMENTS_PER_FOLD))
    hz = instruments.midi_hz(int(label) + rng.uniform(-0.15, 0.15))
    note = _note(number, hz, float(rng.uniform(0.7, 1.8)))
    clip = sound.silence(2.0)
    synth.place(clip, note, synth.samples(rng.uniform(0, 0.3)))
    return (label,), worn(backed(synth.level(clip), rng, -8, 6), rng, 4.0)


def _note(number, hz, seconds):
    """Return a note of instrument `number`, whose timbre follows from its number alone."""
    rng = rng_of("instrument", number)
    family = FAMILIES[number % len(FAMILIES)]
    bright = rng.uniform(0.4, 1.8)
    if family == "voice":
        count, vowel = synth.samples(seconds), str(rng.choice(list("aeiou")))
        vibrato = 1 + 0.01 * synth.sine(rng.uniform(4.5, 6.5), count)
        sung = throat(hz * vibrato, count, rng, vowel, rng.uniform(0.9, 1.3))
        return synth.level(sung * synth.envelope(count, 0.06, 0.1))
    return synth.level(music.tone(family, hz, seconds, rng, bright))


def genre(label, fold, rng):
    """Three seconds from within a piece, under talk, an event or an ambience."""
    start = synth.samples(rng.uniform(0, 1.5))
    clip = sound.music(label, 4.5, rng)[start : start + synth.samples(3.0)]
    kind = int(rng.integers(3))
    if kind == 0:
        other = talk(fold, rng, 2.0)
    else:
        other = sound.event(str(rng.choice(EVENTS[1:])), 2.0, rng)
    synth.place(clip, other, int(rng.integers(0, AUDIO_HZ)), 10 ** (rng.uniform(-12, 0) / 20))
    return (label,), worn(backed(clip, rng, 0, 15), rng)


def manner(label, fold, rng):
    """Somebody who talks in a manner, in any language, over an ambience."""
    clip = synth.level(talk(fold, rng, 3.0, manner=label))
    return (label,), worn(backed(clip, rng, 10, 28), rng, 2.0)


def speakers(label, fold, rng):
    """So many people who talk at the same time, over an ambience."""
    clip = sound.silence(3.0)
    for _ in range(int(label)):
        seconds = float(rng.uniform(2.2, 3.0))
        start = synth.samples(rng.uniform(0, 3.0 - seconds))
        synth.place(clip, talk(fold, rng, seconds), start, 10 ** (rng.uniform(-3, 3) / 20))
    return (label,), worn(backed(clip, rng, 0, 15), rng)


def words(label, fold, rng):
    """One English word, by one of many voices, over an ambience."""
    said = speech.say(label, "en", fold_voice(fold, rng), "neutral", rng.uniform(0.9, 1.2))
    said = synth.level(said[: synth.samples(1.0)])
    clip = sound.silence(1.0)
    synth.place(clip, said, int(rng.integers(0, len(clip) - len(said) + 1)))
    return (label,), worn(backed(clip, rng, 12, 30), rng, 2.0)


def language(label, fold, rng):
    """Somebody who talks in a language, over an ambience."""
    clip = synth.level(talk(fold, rng, 3.0, label))
    return (label,), worn(backed(clip, rng, 20, 40), rng, 1.5)


TASKS = {
    "studio-events": Task(EVENTS, 3.0, events, multilabel=True),
    "studio-scenes": Task(LOCATIONS, 3.0, scenes),
    "studio-pitch": Task(tuple(str(x) for x in PITCHES), 2.0, pitch),
    "studio-genre": Task(GENRES, 3.0, genre),
    "studio-manner": Task(MANNERS, 3.0, manner),
    "studio-speakers": Task(tuple(str(x) for x in range(MOST_SPEAKERS + 1)), 3.0, speakers),
    "studio-words": Task(WORDS, 1.0, words),
    "studio-language": Task(LANGUAGES, 3.0, language),
}


def clip(task, number, count, seed, name):
    """Return (fold, labels, sound) of clip `number` of `count` of a task.

    Classes and folds are balanced. Where there are too few clips for all classes, only the first
    classes of the vocabulary are used, so that each occurs in every fold.
    """
    used = task.labels[: max(2, count // FOLDS)]
    turn, place = divmod(number, len(used))
    fold = (turn + place) % FOLDS
    labels, made = task.make(used[place], fold, rng_of(seed, name, number))
    return fold, labels, made
