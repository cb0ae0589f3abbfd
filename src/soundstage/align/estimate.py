"""Find how a dub lies on the original: speed, offset, cuts; or refuse, and say why.

    python -m soundstage.align.estimate --reference FILE --track FILE --out OUT.json [--plot OUT.png]
    python -m soundstage.align.estimate --pair REFERENCE TRACK [--pair ...] --out OUT.json

FILE is any audio or video that ffmpeg reads; FILE:a:2 names its third audio stream. --pair may be
given several times for one title and language. Those below short_seconds are shots: they are pooled,
at speed 1 and one small common offset, and each is accepted or refused on its own sound at that
offset. Longer ones are each aligned as a film is, with their own offset, speed and edits. In
OUT.json, inside a segment, track_seconds = offset_seconds + rate * reference_seconds; a positive
offset means that the track is late; with several pairs a segment says which `pair` it is of, from 0,
in whose seconds it is, and, when refused, the `reason`. Exit code 0 for an answer and for an honest
refusal, 2 for unusable input.
"""

import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from soundstage import cli
from soundstage.align import coarse, film, pairs, shots
from soundstage.align.features import ALIGN_HZ, INT16_ONE, decimate
from soundstage.align.plot import FORMATS
from soundstage.align.settings import Settings
from soundstage.errors import UserError
from soundstage.files import write_json
from soundstage.units import AUDIO_HZ

VERSION = 3
LEAST_SECONDS = 0.5
QUIET_DB = -80.0


def place(name):
    """Return (path, number of the audio stream) of FILE or FILE:a:N."""
    found = re.fullmatch(r"(.+):a:(\d+)", str(name), re.DOTALL)
    return (found[1], int(found[2])) if found else (str(name), 0)


def _finite(samples, path):
    if not np.isfinite(samples).all():
        raise UserError("expected finite samples, found NaN or infinity", path)
    return samples


def load(name):
    """Return 16 kHz mono int16 samples (1.0 is INT16_ONE) of FILE or FILE:a:N, from picture time 0.

    Decoded block by block, so that two hours take 230 MB. UserError when it cannot be read or is
    not finite.
    """
    from soundstage.media import stream_audio

    path, stream = place(name)
    blocks = (_finite(block, path) for block in stream_audio(path, stream, ALIGN_HZ))
    whole = [np.clip(np.rint(x * INT16_ONE), -32768, 32767).astype(np.int16) for x in blocks]
    samples = np.concatenate(whole) if whole else np.zeros(0, np.int16)
    _whole(path, stream, len(samples) / ALIGN_HZ)
    return samples


def _whole(path, stream, seconds):
    """Raise UserError when a track's sound, so many seconds of it, stops before the end in its header.

    Where the header speaks of the file alone, its sound or its picture has to reach that end.
    """
    from soundstage.films import inspect, settings
    from soundstage.media import declared_seconds, picture_times, probe

    described, wanted = probe(path), settings.Settings()
    trouble = inspect.track_trouble(described, stream, round(seconds * AUDIO_HZ), [], wanted)
    unsaid = declared_seconds(described, inspect.audio_streams(described)[stream]) is None
    if unsaid and not trouble and inspect.film_end_trouble(described, [seconds], wanted):
        trouble = inspect.film_end_trouble(described, [seconds, *picture_times(path)[-1:]], wanted)
    if trouble.startswith("truncated"):
        raise UserError(trouble, path, "copy it again, or cut it where it ends: ffmpeg -i FILE -c copy NEW")


def estimate(given, settings):
    """Return the alignment of one pair, or of several of one title and language, as a dict for JSON.

    given: list of (reference, track), each (n,) float32 at 48 kHz. Keys: accepted, reason, rate,
    offset_seconds, segments, confidence, control, pitch_corrected, version, settings and, for the
    plot, path (films) or shots.
    """
    return estimate_low([tuple(decimate(samples) for samples in pair) for pair in given], settings)


def estimate_low(given, settings):
    """Return the same as `estimate` for pairs that are at 16 kHz already, float32 or int16."""
    reasons = [_unfit(*pair) for pair in given]
    if all(reasons):
        result = refused(reasons[0]) | {"segments": pairs.lost(given, reasons)}
    elif len(given) > 1:
        result = pairs.align(given, reasons, lambda *pair: _film(*pair, settings), settings)
    else:
        result = _alone(*given[0], settings)
    return {**result, "version": VERSION, "settings": dataclasses.asdict(settings)}


def _alone(reference, track, settings):
    long = pairs.seconds((reference, track)) >= settings.short_seconds
    return _film(reference, track, settings) if long else shots.align([(reference, track)], settings)


def _film(reference, track, settings):
    settings = coarse.fitted(settings, pairs.seconds((reference, track)))
    return film.align(*(film.sound(samples, settings) for samples in (reference, track)), settings)


def _unfit(reference, track):
    """Return why a pair cannot be compared at all, or ""."""
    for name, samples in (("reference", reference), ("track", track)):
        seconds = len(samples) / ALIGN_HZ
        if seconds < LEAST_SECONDS:
            return f"the {name} is too short: {seconds:.2f} s, at least {LEAST_SECONDS} s wanted"
        level = level_db(samples)
        if level < QUIET_DB:
            return f"the {name} is silent: {max(level, -200):.0f} dB full scale"
    return ""


def level_db(samples):
    """Return the level of a signal in dB full scale; float32, or int16 with 1.0 at INT16_ONE."""
    one = INT16_ONE if samples.dtype == np.int16 else 1.0
    blocks = range(0, len(samples), 1 << 20)
    power = sum(float(np.sum(np.square(samples[i : i + (1 << 20)] / one))) for i in blocks)
    return 10 * np.log10(power / max(len(samples), 1) + 1e-20)


def refused(reason):
    """Return the alignment of a pair that was not compared, for a reason."""
    return {
        "accepted": False,
        "reason": reason,
        "rate": 1.0,
        "offset_seconds": 0.0,
        "segments": [],
        "confidence": 0.0,
        "control": 0.0,
        "pitch_corrected": False,
    }


def _arguments():
    parser = cli.parser(__doc__)
    parser.add_argument("--reference", metavar="FILE", help="the original track")
    parser.add_argument("--track", metavar="FILE", help="the dub")
    parser.add_argument("--pair", nargs=2, action="append", metavar=("REFERENCE", "TRACK"), help="one of several")
    picture = {"metavar": "OUT.png", "type": cli.output(*FORMATS)}
    parser.add_argument("--out", required=True, metavar="OUT.json", type=cli.output())
    parser.add_argument("--plot", **picture, help="a picture of the lag over time: .png, .jpg, .svg or .pdf")
    cli.add_settings(parser, Settings)
    arguments = parser.parse_args()
    single = arguments.reference is not None and arguments.track is not None
    if single == bool(arguments.pair) or (arguments.reference is None) != (arguments.track is None):
        raise UserError("expected either --reference and --track, or --pair one or more times")
    return arguments


def main():
    """Run the command line."""
    arguments = _arguments()
    names = arguments.pair or [(arguments.reference, arguments.track)]
    with ThreadPoolExecutor(2) as readers:
        sounds = list(readers.map(load, [name for pair in names for name in pair]))
    result = estimate_low(list(zip(sounds[::2], sounds[1::2], strict=True)), arguments.settings)
    write_json(arguments.out, result)
    if arguments.plot:
        from soundstage.align.plot import draw

        draw(*pairs.pictured(result, names, arguments.plot))
    cli.say(summary(result))


def summary(result):
    """Return one line that says what was found."""
    if not result["accepted"]:
        return f"refused: {result['reason']}"
    kept = ", pitch kept" if result["pitch_corrected"] else ""
    good = sum(segment["accepted"] for segment in result["segments"])
    return (
        f"accepted: offset {result['offset_seconds']:+.4f} s, rate {result['rate']:.6f}{kept}, "
        f"{good} segment(s), confidence {result['confidence']:.2f}"
    )


if __name__ == "__main__":
    cli.run(main)
