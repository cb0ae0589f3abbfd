"""What is confidence worth? Planted pairs from easy to hopeless, and unrelated ones; a figure.

    python benchmarks/align_calibration.py --work FOLDER [--pairs 150] [--figure calibration.png]

The shared bed of a pair of two minutes lies under another film's, 15 to 45 dB below it. Every
segment that the aligner reports, accepted or not, is right when it lies within a video frame of the
truth. Answers are kept in FOLDER/calibration.jsonl and made once; the bank comes from align_cases.py.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from align import inside
from align_cases import AUDIO_HZ, SCENE_SECONDS, Studio, finished, plan, scene_pair

SECONDS = 120
RIGHT_SECONDS = 0.04
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def sounds(studio, number, related):
    """Return (reference, track, offset in seconds) of one pair, 48 kHz float32."""
    case = plan("hard", number, SECONDS, 400)
    rng = np.random.default_rng((8, number))
    case |= {"mask_db": float(rng.uniform(15, 45)), "room": bool(rng.random() < 0.3), "lead_seconds": 0.0}
    parts = [scene_pair(studio, case, place) for place in range(SECONDS // SCENE_SECONDS)]
    reference = np.concatenate([finished(part[0]) for part in parts])
    track = np.concatenate([finished(part[1]) for part in parts])
    if not related:
        other = plan("hard", number + 100000, SECONDS, 400)
        free = [n for n in other["order"] if n not in case["order"]]
        stems = [studio.scene(n) for n in free[: len(parts)]]
        track = np.concatenate([finished(s[0] + s[1] + s[3]) for s in stems])
    late = int(rng.integers(0, 4 * AUDIO_HZ))
    track = np.concatenate([1e-4 * rng.standard_normal(late).astype(np.float32), track])
    return reference, track, late / AUDIO_HZ


def measured(studio, number, related):
    """Return the list of dicts that say of each reported segment what it claims and if it is right."""
    from soundstage.align.estimate import estimate
    from soundstage.align.settings import Settings

    reference, track, late = sounds(studio, number, related)
    found = estimate([(reference, track)], Settings())
    rows = []
    for part in found["segments"]:
        middle = (part["reference_start_seconds"] + part["reference_end_seconds"]) / 2
        assert inside([part], middle, 0.0)
        error = abs(part["offset_seconds"] + part["rate"] * middle - middle - late)
        keys = ("evidence", "score", "score_control", "coherent", "confidence")
        right = bool(related and error <= RIGHT_SECONDS)
        seconds = part["reference_end_seconds"] - part["reference_start_seconds"]
        rows.append({**{k: part[k] for k in keys}, "control": found["control"], "right": right, "seconds": seconds})
    return {"number": number, "related": related, "accepted": found["accepted"], "segments": rows}


def gather(options):
    """Return all answers, making those that are missing while there is time."""
    path = options.work / "calibration.jsonl"
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(row["number"], row["related"]) for row in done}
    studio, stop = Studio(options.work), time.monotonic() + options.keep_going_seconds
    for number in range(options.pairs):
        for related in (True, False) if number % 3 == 0 else (True,):
            if (number, related) in known or time.monotonic() > stop:
                continue
            done.append(measured(studio, number, related))
            with open(path, "a") as stream:
                stream.write(json.dumps(done[-1]) + "\n")
    return done


def recomputed(row):
    """Return the confidence of a segment's evidence as the aligner counts today."""
    from types import SimpleNamespace

    from soundstage.align.trust import confidence

    piece = SimpleNamespace(**{**row, "control": row["score_control"]})
    return confidence(piece, row["control"])


def draw(rows, path):
    """Write the reliability figure of (confidence, right) pairs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sure, right = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(5, 6), height_ratios=(3, 1), layout="constrained")
    upper.plot([0, 1], [0, 1], color="grey", linestyle=":", label="what it should be")
    for low, high in zip(BINS[:-1], BINS[1:], strict=True):
        chosen = (sure >= low) & ((sure < high) | (high == 1.0))
        if chosen.any():
            share = right[chosen].mean()
            error = np.sqrt(share * (1 - share) / chosen.sum())
            upper.errorbar(sure[chosen].mean(), share, error, fmt="o", color="tab:blue")
            upper.annotate(f" {chosen.sum()}", (sure[chosen].mean(), share))
            print(f"confidence {low:.1f} to {high:.1f}: {chosen.sum():4d} segments, {100 * share:.0f} % right")
    upper.set(xlabel="confidence", ylabel="share of segments within a video frame", xlim=(0, 1.05), ylim=(-0.05, 1.05))
    upper.legend()
    lower.hist([sure[right], sure[~right]], bins=20, range=(0, 1), stacked=True, label=["right", "wrong"])
    lower.set(xlabel="confidence", ylabel="segments", yscale="log")
    lower.legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=150)
    parser.add_argument("--figure", type=Path, default=Path("calibration.png"))
    parser.add_argument("--keep-going-seconds", type=float, default=3600)
    options = parser.parse_args()
    done = gather(options)
    accepted = sum(row["accepted"] for row in done if not row["related"])
    print(f"{len(done)} pairs; {accepted} of {sum(not row['related'] for row in done)} unrelated ones accepted")
    rows = [(recomputed(s), s["right"]) for row in done for s in row["segments"] if row["related"]]
    draw(rows, options.figure)


if __name__ == "__main__":
    main()
