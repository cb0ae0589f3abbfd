"""Listen to an alignment: the film in the left ear, the dub in the right, where it is least sure.

    python -m soundstage.align.listen --reference FILE --track FILE --alignment OUT.json --out OUT.flac [--plot OUT.png]

The passage is the accepted one with the least evidence, put on the film's timeline; what is shared
sounds in the middle of the head, without an echo. Files are named as in soundstage.align.estimate.
OUT.wav is written as WAV; the picture may be .png, .jpg, .svg or .pdf.
"""

import math
from pathlib import Path

import numpy as np

from soundstage import cli
from soundstage.align.estimate import place
from soundstage.align.plot import FORMATS
from soundstage.align.stretch import PAD_SECONDS, cut_kept
from soundstage.align.timeline import cut, track_seconds
from soundstage.errors import UserError
from soundstage.files import read_json
from soundstage.units import AUDIO_HZ

SPARE_SECONDS = 2 * PAD_SECONDS  # read on either side of a passage, for what resampling and stretching need
CONTAINERS = {".flac": "FLAC", ".wav": "WAV"}
NUMBERS = ("reference_start_seconds", "reference_end_seconds", "offset_seconds", "rate", "confidence")


def read_alignment(path):
    """Return the dict that soundstage.align.estimate wrote; UserError when a file is none of its."""
    found = read_json(path)
    try:
        parts = found["segments"]
        numbers = [float(part[name]) for part in parts for name in NUMBERS]
        chunks = found.get("path", {"centers_seconds": [], "evidence": []})
        same = len(chunks["centers_seconds"]) == len(chunks["evidence"])
        said = {"accepted", "reason", "pitch_corrected"} <= set(found) and all("accepted" in part for part in parts)
    except (AttributeError, KeyError, TypeError, ValueError):
        same = False
    if not (same and said and all(map(math.isfinite, numbers))):
        raise UserError("expected the JSON that soundstage.align.estimate writes, found another", path)
    return found


def passage(result, seconds):
    """Return (start in seconds of the reference, segment) of the least certain accepted passage.

    result: the dict of soundstage.align.estimate; seconds: how long the passage may be.
    """
    good = [part for part in result["segments"] if part["accepted"]]
    if not result["accepted"] or not good:
        raise UserError(f"nothing to listen to: the track was refused ({result['reason']})", "--alignment")
    path = result.get("path", {"centers_seconds": [], "evidence": []})
    points = [
        (part["confidence"], evidence, center, part)
        for center, evidence in zip(path["centers_seconds"], path["evidence"], strict=True)
        for part in good
        if part["reference_start_seconds"] <= center <= part["reference_end_seconds"]
    ]
    if not points:
        part = min(good, key=lambda part: part["confidence"])
        return part["reference_start_seconds"], part
    _, _, center, part = min(points, key=lambda point: point[:3])
    latest = max(part["reference_start_seconds"], part["reference_end_seconds"] - seconds)
    return min(max(part["reference_start_seconds"], center - seconds / 2), latest), part


def overlay(reference, track, start_seconds, part, seconds, pitch_corrected=False):
    """Return (samples, 2) float32: reference and aligned track of one passage, each at peak 0.9.

    reference, track: FILE or FILE:a:N; no more of them than the passage is held in memory.
    """
    length = min(seconds, part["reference_end_seconds"] - start_seconds)
    left = side(reference, start_seconds, length, 0.0, 1.0, cut)
    put = cut_kept if pitch_corrected else cut
    right = side(track, start_seconds, length, part["offset_seconds"], part["rate"], put)
    sides = [one * (0.9 / max(float(np.abs(one).max()), 1e-6)) for one in (left, right)]
    return np.stack(sides, axis=1)


def side(name, start_seconds, seconds, offset_seconds, rate, put):
    """Return a window of the reference as put(...), cut or cut_kept, gives it of FILE or FILE:a:N."""
    from soundstage.media import read_passage

    path, stream = place(name)
    begins = track_seconds(start_seconds, offset_seconds, rate) - SPARE_SECONDS
    first = max(0, math.floor(begins * AUDIO_HZ))
    last = math.ceil((begins + rate * seconds + 2 * SPARE_SECONDS) * AUDIO_HZ)
    samples = read_passage(path, stream, first, max(0, last - first))
    if not np.isfinite(samples).all():
        raise UserError("expected finite samples, found NaN or infinity", path)
    return put(samples, start_seconds, seconds, offset_seconds - first / AUDIO_HZ, rate)


def main():
    """Run the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--reference", required=True, metavar="FILE")
    parser.add_argument("--track", required=True, metavar="FILE")
    parser.add_argument("--alignment", required=True, metavar="OUT.json")
    parser.add_argument("--out", required=True, metavar="OUT.flac", type=cli.output(*CONTAINERS))
    parser.add_argument("--seconds", type=float, default=20.0, help="longest passage, seconds")
    picture = {"metavar": "OUT.png", "type": cli.output(*FORMATS)}
    parser.add_argument("--plot", **picture, help="a picture of the two sides over each other")
    options = parser.parse_args()
    if not 0 < options.seconds < math.inf:
        raise UserError(f"expected a positive length, found {options.seconds}", "--seconds")
    alignment = read_alignment(options.alignment)
    start, part = passage(alignment, options.seconds)
    both = overlay(options.reference, options.track, start, part, options.seconds, alignment["pitch_corrected"])
    from soundstage.media import write_flac

    write_flac(options.out, both, container=CONTAINERS[Path(options.out).suffix.lower()])
    if options.plot:
        from soundstage.align.plot import draw_overlay

        draw_overlay(both, start, options.plot, f"{options.track}\non {options.reference}")
    cli.say(f"from {start:.2f} s of the film, {len(both) / 48000:.1f} s, confidence {part['confidence']}")


if __name__ == "__main__":
    cli.run(main)
