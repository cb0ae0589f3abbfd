"""Find how a dub lies on the original: speed, offset, cuts; or refuse, and say why.

    python -m soundstage.align.estimate --reference FILE --track FILE --out OUT.json [--plot OUT.png]
    python -m soundstage.align.estimate --pair REFERENCE TRACK [--pair ...] --out OUT.json

FILE is any audio or video that ffmpeg reads; FILE:a:2 names its third audio stream. --pair may be
given several times for shots of one title and language, which are pooled. In OUT.json, inside a
segment, track_seconds = offset_seconds + rate * reference_seconds; a positive offset means that
the track is late. Exit code 0 for an answer and for an honest refusal, 2 for unusable input.
"""

import dataclasses
import re

import numpy as np

from soundstage import cli
from soundstage.align import film, shots
from soundstage.align.settings import Settings
from soundstage.errors import UserError
from soundstage.files import write_json
from soundstage.units import AUDIO_HZ

VERSION = 1
LEAST_SECONDS = 0.5
QUIET_DB = -80.0


def read(name):
    """Return 48 kHz mono float32 samples of FILE or FILE:a:N, sample 0 at picture time 0.

    UserError when it cannot be read or is not finite.
    """
    found = re.fullmatch(r"(.+):a:(\d+)", str(name), re.DOTALL)
    path, stream = (found[1], int(found[2])) if found else (str(name), 0)
    plain = stream == 0 and path.lower().endswith((".flac", ".wav"))
    samples = _plain(path) if plain else None
    if samples is None:
        from soundstage.media import read_audio

        samples = read_audio(path, stream)
    if not np.isfinite(samples).all():
        raise UserError("expected finite samples, found NaN or infinity", path)
    return samples


def _plain(path):
    """Return a FLAC or WAV of 48 kHz mono without starting ffmpeg; None for any other kind."""
    from soundstage.media import read_flac

    try:
        samples, rate = read_flac(path)
    except UserError:
        return None
    return samples if rate == AUDIO_HZ and samples.ndim == 1 else None


def estimate(pairs, settings):
    """Return the alignment of one pair, or of several shots pooled, as a dict for JSON.

    pairs: list of (reference, track), each (n,) float32 at 48 kHz. Keys: accepted, reason, rate,
    offset_seconds, segments, confidence, control, pitch_corrected, version, settings and, for the
    plot, path (films) or shots.
    """
    reason = next((text for text in (_unfit(*pair) for pair in pairs) if text), "")
    if reason and len(pairs) == 1:
        result = refused(reason)
    else:
        usable = [pair for pair in pairs if not _unfit(*pair)]
        result = _measured(usable, settings) if usable else refused(reason)
    return {**result, "version": VERSION, "settings": dataclasses.asdict(settings)}


def _measured(pairs, settings):
    shortest = min(len(samples) for pair in pairs for samples in pair)
    if len(pairs) == 1 and shortest >= settings.short_seconds * AUDIO_HZ:
        return film.align(*pairs[0], settings)
    return shots.align(pairs, settings)


def _unfit(reference, track):
    """Return why a pair cannot be compared at all, or ""."""
    for name, samples in (("reference", reference), ("track", track)):
        seconds = len(samples) / AUDIO_HZ
        if seconds < LEAST_SECONDS:
            return f"the {name} is too short: {seconds:.2f} s, at least {LEAST_SECONDS} s wanted"
        level = 10 * np.log10(float(np.mean(samples.astype(np.float64) ** 2)) + 1e-20)
        if level < QUIET_DB:
            return f"the {name} is silent: {max(level, -200):.0f} dB full scale"
    return ""


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
    parser.add_argument(
        "--pair", nargs=2, action="append", metavar=("REFERENCE", "TRACK"), help="a shot to pool"
    )
    parser.add_argument("--out", required=True, metavar="OUT.json")
    parser.add_argument("--plot", metavar="OUT.png", help="a picture of the lag over time")
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
    result = estimate([(read(left), read(right)) for left, right in names], arguments.settings)
    write_json(arguments.out, result)
    if arguments.plot:
        from soundstage.align.plot import draw

        draw(result, arguments.plot, names)
    cli.say(summary(result))


def summary(result):
    """Return one line that says what was found."""
    if not result["accepted"]:
        return f"refused: {result['reason']}"
    kept = ", pitch kept" if result["pitch_corrected"] else ""
    return (
        f"accepted: offset {result['offset_seconds']:+.4f} s, rate {result['rate']:.6f}{kept}, "
        f"{len(result['segments'])} segment(s), confidence {result['confidence']:.2f}"
    )


if __name__ == "__main__":
    cli.run(main)
