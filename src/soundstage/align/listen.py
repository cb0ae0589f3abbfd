"""Listen to an alignment: the film in the left ear, the dub in the right, where it is least sure.

    python -m soundstage.align.listen --reference FILE --track FILE --alignment OUT.json --out OUT.flac [--plot OUT.png]

The passage is the accepted one with the least evidence, put on the film's timeline; what is shared
sounds in the middle of the head, without an echo. Files are named as in soundstage.align.estimate.
"""

from soundstage import cli
from soundstage.align.estimate import read
from soundstage.align.stretch import cut_kept
from soundstage.align.timeline import cut
from soundstage.errors import UserError
from soundstage.files import read_json


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
    """Return (samples, 2) float32: reference and aligned track of one passage, each at peak 0.9."""
    import numpy as np

    put = cut_kept if pitch_corrected else cut
    length = min(seconds, part["reference_end_seconds"] - start_seconds)
    left = cut(reference, start_seconds, length)
    right = put(track, start_seconds, length, part["offset_seconds"], part["rate"])
    sides = [side * (0.9 / max(float(np.abs(side).max()), 1e-6)) for side in (left, right)]
    return np.stack(sides, axis=1)


def main():
    """Run the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--reference", required=True, metavar="FILE")
    parser.add_argument("--track", required=True, metavar="FILE")
    parser.add_argument("--alignment", required=True, metavar="OUT.json")
    parser.add_argument("--out", required=True, metavar="OUT.flac")
    parser.add_argument("--seconds", type=float, default=20.0, help="longest passage, seconds")
    parser.add_argument("--plot", metavar="OUT.png", help="a picture of the two sides over each other")
    options = parser.parse_args()
    if options.seconds <= 0:
        raise UserError(f"expected a positive length, found {options.seconds}", "--seconds")
    alignment = read_json(options.alignment)
    start, part = passage(alignment, options.seconds)
    sounds = read(options.reference), read(options.track)
    both = overlay(*sounds, start, part, options.seconds, alignment["pitch_corrected"])
    from soundstage.media import write_flac

    write_flac(options.out, both)
    if options.plot:
        from soundstage.align.plot import draw_overlay

        draw_overlay(both, start, options.plot, f"{options.track}\non {options.reference}")
    cli.say(f"from {start:.2f} s of the film, {len(both) / 48000:.1f} s, confidence {part['confidence']}")


if __name__ == "__main__":
    cli.run(main)
