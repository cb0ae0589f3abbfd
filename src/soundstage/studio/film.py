"""Make one film of the embedded corpus with all its tracks and its ground truth.

    python -m soundstage.studio.film --film film-003 --out-folder work/studio/films/film-003

Writes `film-003.mkv` (H.264 picture, the original track and dubs), `film-003.<language>.m4a` for
each dub in a file of its own, and `truth.json`. The same settings give the same bytes.
"""

import tempfile
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile

from soundstage import cli, media
from soundstage.errors import UserError
from soundstage.files import atomic, write_json
from soundstage.studio import look, motion, soundtrack, speech
from soundstage.studio.figure import person_of
from soundstage.studio.plan import dub_languages, dub_plan, film_row, tracks
from soundstage.studio.settings import Settings
from soundstage.studio.story import story_of
from soundstage.units import AUDIO_HZ, rng_of, seconds_to_frames

# In Matroska, time 0 must be the first sample of the track for every codec. Opus: packets begin at
# 0, and the container's codec delay (312 samples) takes the encoder's start-up away. AAC: that
# container has no such field in use, so the start-up packet (1024 samples) is left out.
ENCODERS = {
    "opus": {"c": "libopus", "compression_level": 3, "filter": "asetpts=PTS+312"},
    "aac": {"c": "aac", "aac_coder": "fast", "bsf": "noise=drop=eq(n\\,0)"},
}
ENCODER_M4A = {"c": "aac", "aac_coder": "fast"}
ISO_639_2 = {"en": "eng", "es": "spa", "fr": "fre", "de": "ger", "it": "ita", "ja": "jpn"}
# How large things are shown by how many share the picture: alone, a thing fills it.
CLOSENESS = (1.0, 1.25, 1.0, 0.85, 0.75)
PICTURE = {"preset": "superfast", "crf": 24, "g": 100}


def make(settings, film, folder):
    """Write a film, its dubs in files of their own and truth.json into `folder`.

    UserError for an unknown film id, or when ffmpeg or espeak-ng fails.
    """
    try:
        row = film_row(settings, film)
    except KeyError:
        last = f"film-{settings.films_total - 1:03d}"
        raise UserError(f"expected film-000 to {last}, found {film}", "--film") from None
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    story = story_of(settings, film)
    languages = [row["original_language"], *dub_languages(settings, film)]
    events = soundtrack.event_sounds(settings, story)
    lines = {x: soundtrack.line_sounds(settings, story, x) for x in languages}
    size = (settings.width_pixels, settings.height_pixels)
    pictures = picture(settings, story, size, events, lines[languages[0]])
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tracks-") as scratch:
        waves = _write_waves(settings, story, events, lines, Path(scratch))
        _write_media(settings, story, pictures, size, waves, folder)
    write_json(folder / "truth.json", truth(settings, story, lines))


def _write_waves(settings, story, events, lines, folder):
    """Write every track before its codec as 16-bit WAV; returns {language: path}."""
    bed = soundtrack.bed_in_reference(settings, story, events)
    waves = {}
    for language, pieces in lines.items():
        talk = soundtrack.talk_in_reference(settings, story, pieces)
        track = soundtrack.finished(settings, story, language, talk, bed)
        waves[language] = folder / f"{language}.wav"
        soundfile.write(waves[language], track, AUDIO_HZ, subtype="PCM_16")
    return waves


def _write_media(settings, story, pictures, size, waves, folder):
    """Encode the film's own file with the tracks that it holds, and the others beside it."""
    rows = [row for row in tracks(settings) if row["film"] == story.film]
    inside = [row["language"] for row in rows if row["path"].endswith(".mkv")]
    plans = {x: dub_plan(settings, story.film, x) for x in waves}
    audio = [(waves[x], ENCODERS[plans[x]["codec"]] | _rate(plans[x])) for x in inside]
    labels = {
        f"metadata:s:a:{n}": f"language={ISO_639_2[language]}" for n, language in enumerate(inside)
    }
    with atomic(folder / f"{story.film}.mkv") as path:
        media.encode(path, pictures, size, story.fps, audio, PICTURE | labels)
    for language in (row["language"] for row in rows if row["language"] not in inside):
        with atomic(folder / f"{story.film}.{language}.m4a") as path:
            media.encode_audio(path, waves[language], ENCODER_M4A | _rate(plans[language]))


def _rate(plan):
    return {"b": f"{plan['bitrate_kbps']}k", "ac": 1, "ar": AUDIO_HZ}


def picture(settings, story, size, events, lines):
    """Return an iterator of the film's frames, uint8 (height, width, 3) RGB.

    events: soundtrack.event_sounds; lines: soundtrack.line_sounds of the original language: what is
    seen moves as these sound. size: (width, height) pixels.
    """
    people = [_person(settings, story, number) for number in range(story.characters)]
    heard, spoken = iter(events), iter(lines)
    shots = []
    for number, take in enumerate(story.takes):
        sources = [(source, next(heard)) for source in take.sources]
        talk = [(line, next(spoken)) for line in take.lines]
        rng = rng_of(settings.seed, story.film, "picture", number)
        shots.append((take, sources, talk, rng))
    return chain.from_iterable(_shot(story, size, people, *shot).frames() for shot in shots)


def _person(settings, story, number):
    original = film_row(settings, story.film)["original_language"]
    voice = soundtrack.voice_of(settings, story, number, original)
    rng = rng_of(settings.seed, story.film, "person", number)
    return person_of(rng, soundtrack.kind_of_voice(voice))


def _shot(story, size, people, take, sources, talk, rng):
    """Return the look.Shot of a take: its people and visible sources side by side."""
    count = take.end_frame - take.start_frame
    seen = [(source, heard) for source, heard in sources if source.visible]
    places = _places(len(take.people) + len(seen), rng)
    scale = CLOSENESS[len(places)]
    actors = []
    for who in take.people:
        mouth = _envelope(
            take, story.fps, [pair for pair in talk if pair[0].speaker == who], _mouth
        )
        actors.append(look.talker_of(people[who], mouth, story.fps, size, rng, places.pop(), scale))
    for source, heard in seen:
        level = _envelope(take, story.fps, [(source, heard)], _loudness)
        actors.append(look.actor_of(source.name, level, story.fps, size, rng, places.pop(), scale))
    return look.shot_of(take.location, count, size, rng, actors)


def _places(count, rng):
    """Return `count` places from -1 to 1 in a drawn order, evenly spread and then jittered."""
    if count == 1:
        return [float(rng.uniform(-0.6, 0.6))]
    even = np.linspace(-0.9, 0.9, count) + rng.uniform(-0.1, 0.1, count)
    return [float(place) for place in rng.permutation(even)]


def _envelope(take, fps, pairs, measure):
    """Return (frames,) of 0..1 for a take: measure(sound, fps) of each timed sound in place."""
    count = take.end_frame - take.start_frame
    result = np.zeros(count)
    for timed, heard in pairs:
        start = seconds_to_frames(timed.start_seconds, fps) - take.start_frame
        level = measure(heard, fps)[: count - start]
        result[start : start + len(level)] = level
    return result


def _mouth(heard, fps):
    return speech.mouth(heard, fps)


def _loudness(heard, fps):
    return motion.envelope_of(heard, seconds_to_frames(len(heard) / AUDIO_HZ, fps), fps)


def truth(settings, story, lines):
    """Return what is known of a film, as written to truth.json.

    Keys: film, split, original_language, fps; shots and scenes in seconds; languages: {language:
    plan.dub_plan}; speech: {language: [[start, end], ...]} in picture time; events: dicts class,
    start, end (seconds of picture time), visible, audible, "Speech" among them. lines: {language:
    soundtrack.line_sounds}.
    """
    row = film_row(settings, story.film)
    return {
        "film": story.film,
        "split": row["split"],
        "original_language": row["original_language"],
        "fps": story.fps,
        "shots": [
            [take.start_frame / story.fps, take.end_frame / story.fps] for take in story.takes
        ],
        "scenes": [_scene(scene) for scene in story.scenes],
        "languages": {x: dub_plan(settings, story.film, x) for x in lines},
        "speech": {x: soundtrack.intervals(story, pieces) for x, pieces in lines.items()},
        "events": [event for take in story.takes for event in _events(take)],
    }


def _scene(scene):
    return {
        "start": scene.start_seconds,
        "end": scene.end_seconds,
        "locations": list(scene.locations),
        "music": scene.genre,
    }


def _events(take):
    """Return the truth rows of a take's sources and lines."""
    for source in take.sources:
        yield _event(source.name, source, source.visible, source.audible)
    for line in take.lines:
        yield _event("Speech", line, line.speaker in take.people, True)


def _event(name, timed, visible, audible):
    return {
        "class": name,
        "start": timed.start_seconds,
        "end": timed.end_seconds,
        "visible": visible,
        "audible": audible,
    }


def main():
    """Run the command line."""
    arguments = cli.parser(__doc__)
    arguments.add_argument("--film", required=True, help="id of the film, such as film-003")
    arguments.add_argument("--out-folder", required=True, help="folder for its files")
    cli.add_settings(arguments, Settings)
    given = arguments.parse_args()
    make(given.settings, given.film, given.out_folder)


if __name__ == "__main__":
    cli.run(main)
