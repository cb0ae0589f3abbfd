"""The sound of a film: one bed, and for each language the speech and the finished track.

All signals are float32 mono at 48 kHz. `bed_of` gives the speech-free truth of a track, against
which a separator is measured; `speech_intervals` says when somebody speaks.
"""

import numpy as np

from soundstage.studio import mix, sound, speech
from soundstage.studio.plan import dub_plan, film_row
from soundstage.studio.story import story_of
from soundstage.studio.synth import envelope
from soundstage.units import rng_of, seconds_to_samples

_CUT_FADE_SECONDS = 0.02
_AUDIBLE = 10 ** (-50 / 20)


def event_sounds(settings, story):
    """Return one sound per source of the story, in order, at the bed's scale before its gain_db.

    Sources that are only seen have silence.
    """
    sounds = []
    for number, source in enumerate(story.sources):
        seconds = source.end_seconds - source.start_seconds
        rng = rng_of(settings.seed, story.film, "event", number)
        make = sound.event(source.name, seconds, rng, story.pool) if source.audible else None
        sounds.append(sound.silence(seconds) if make is None else make)
    return sounds


def bed_in_reference(settings, story, sounds):
    """Return the film's music, effects and ambience, (samples,), in picture time.

    sounds: event_sounds of the same story.
    """
    count = seconds_to_samples(settings.film_seconds)
    pieces = [*_ambiences(settings, story), *_music(settings, story)]
    for source, event in zip(story.sources, sounds, strict=True):
        pieces.append((seconds_to_samples(source.start_seconds), event, source.gain_db))
    return mix.layered(count, pieces)


def _ambiences(settings, story):
    for number, take in enumerate(story.takes):
        rng = rng_of(settings.seed, story.film, "ambience", number)
        seconds = (take.end_frame - take.start_frame) / story.fps
        piece = sound.ambience(take.location, seconds, rng)
        piece = piece * envelope(len(piece), _CUT_FADE_SECONDS, _CUT_FADE_SECONDS)
        start = seconds_to_samples(take.start_frame / story.fps)
        yield start, piece, mix.layer_db("ambience", rng)


def _music(settings, story):
    for number, scene in enumerate(story.scenes):
        if scene.genre:
            rng = rng_of(settings.seed, story.film, "music", number)
            piece = sound.music(scene.genre, scene.end_seconds - scene.start_seconds, rng)
            piece = piece * envelope(len(piece), 0.5, 1.0)
            yield seconds_to_samples(scene.start_seconds), piece, scene.music_db


def kind_of_voice(voice):
    """Return man, woman or child: what a character with such a voice looks like."""
    return "man" if voice.size < 1.0 else "woman" if voice.size < 1.12 else "child"


def voice_of(settings, story, character, language):
    """Return the Voice of a character in a language: another actor in each, of the same kind.

    The same character keeps the voice for the whole film.
    """
    original = film_row(settings, story.film)["original_language"]
    first = _draw_voice(settings, story, character, original, 0)
    if language == original:
        return first
    for attempt in range(100):
        other = _draw_voice(settings, story, character, language, attempt)
        if kind_of_voice(other) == kind_of_voice(first) and other.variant != first.variant:
            break
    return other


def _draw_voice(settings, story, character, language, attempt):
    rng = rng_of(settings.seed, story.film, "voice", character, language, attempt)
    return speech.voice(story.pool, int(rng.integers(0, 10**6)))


def line_sounds(settings, story, language):
    """Return one sound per line of the story in a language, each exactly as long as its line."""
    sounds = []
    for number, line in enumerate(story.lines):
        rng = rng_of(settings.seed, story.film, language, "line", number)
        voice = voice_of(settings, story, line.speaker, language)
        seconds = line.end_seconds - line.start_seconds
        _, piece = speech.speak(language, voice, line.manner, seconds, rng, story.pool)
        sounds.append(piece)
    return sounds


def talk_in_reference(settings, story, lines):
    """Return the speech of a track, (samples,), in picture time; lines: line_sounds of it."""
    pieces = [
        (seconds_to_samples(line.start_seconds), piece, line.gain_db)
        for line, piece in zip(story.lines, lines, strict=True)
    ]
    return mix.layered(seconds_to_samples(settings.film_seconds), pieces)


def intervals(story, lines):
    """Return [[start, end], ...] seconds of picture time in which the lines are audible."""
    found = []
    for line, piece in zip(story.lines, lines, strict=True):
        loud = np.flatnonzero(np.abs(piece) > _AUDIBLE)
        if len(loud):
            end = line.start_seconds + (int(loud[-1]) + 1) / 48000
            found.append([line.start_seconds, round(end, 6)])
    return found


def finished(settings, story, language, talk, bed, with_speech=True):
    """Return a track, or its speech-free part, in track time as it goes to the codec.

    talk, bed: (samples,) in picture time, before balance. With or without its speech a track passes
    the same level, equaliser, edits, speed and offset (plan.dub_plan); an ambiguous track has a
    looped bed.
    """
    plan = dub_plan(settings, story.film, language)
    level_db = mix.speech_to_bed_db(settings, rng_of(settings.seed, story.film, "speech level"))
    talk = mix.balanced(talk, bed, level_db)
    gain = np.float32(mix.normal_gain(talk + bed))
    if plan["ambiguous"]:
        rng = rng_of(settings.seed, story.film, "loop")
        bed = mix.looped(bed, float(rng.uniform(0.1, 0.6)) * settings.film_seconds)
    part = talk + bed if with_speech else bed
    return mix.retimed(mix.dressed(part * gain, plan), plan)


def bed_of(film, settings, language):
    """Return the speech-free part of a track, (samples,) in track time, before the codec.

    It has passed the same level, equaliser, edits, speed and offset as the track itself. KeyError
    when the settings have no such film.
    """
    story = story_of(settings, film)
    bed = bed_in_reference(settings, story, event_sounds(settings, story))
    talk = talk_in_reference(settings, story, line_sounds(settings, story, language))
    return finished(settings, story, language, talk, bed, with_speech=False)


def speech_intervals(film, settings, language):
    """Return [[start, end], ...], the seconds of picture time in which a track has speech.

    The segments of plan.dub_plan turn them into the track's own time.
    """
    story = story_of(settings, film)
    return intervals(story, line_sounds(settings, story, language))
