"""What is confidence worth? Planted pairs from easy to hopeless, and unrelated ones; a figure.

    python benchmarks/align_calibration.py --work FOLDER [--pairs 150] [--figure calibration.png]

The shared bed of a pair of two minutes lies under another film's, 15 to 45 dB below it. Every run
of chunks that the search proposes is measured twice, on the wave forms and, as a track that kept
its pitch must be, on the band levels alone; a line is right when it lies within a video frame of
the truth in the run's middle. Evidence is kept in FOLDER/calibration.jsonl and gathered once; the
confidence is counted from it anew each time. The bank comes from align_cases.py.
"""

import argparse
import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from align_cases import AUDIO_HZ, SCENE_SECONDS, Studio, finished, plan, scene_pair

from soundstage.align import coarse, film, trust
from soundstage.align.features import decimate
from soundstage.align.settings import Settings

SECONDS = 120
RIGHT_SECONDS = 0.04
LEAST_RATIO = 0.35  # of the evidence to the control: less is not looked at
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
    """Return what each run of chunks of one pair has to say, and if it is right."""
    reference, track, late = sounds(studio, number, related)
    settings = Settings()
    left, right = (film.sound(decimate(x), settings) for x in (reference, track))
    path = coarse.search(left.features[1.0], right.features[1.0], settings)
    chance = coarse.search(left.features[1.0], right.features[1.0][::-1], settings, probe=True)
    control, rows = trust.control(chance, settings), []
    for run in coarse.runs(path):
        evidence = trust.strength(path.evidence[run], path.centers[run], settings)
        if evidence < LEAST_RATIO * control:
            continue
        for kept in (True, False):
            piece = film.measure(left, right, path, run, evidence, kept, settings)
            if not kept and not piece.coherent:
                continue
            middle = (piece.start + piece.end) / 2
            error = abs(piece.offset + piece.rate * middle - middle - late)
            row = {"evidence": evidence, "chance": control, "score": piece.score, "control": piece.control}
            right_ = bool(related and error <= RIGHT_SECONDS)
            rows.append({**row, "coherent": piece.coherent, "right": right_, "chunks": len(run)})
    return {"number": number, "related": related, "runs": rows}


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


def confidence(row):
    """Return the confidence of a run's evidence as the aligner counts it today."""
    return trust.confidence(SimpleNamespace(**row), row["chance"])


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
    rows = [(confidence(run), run["right"]) for row in done for run in row["runs"] if row["related"]]
    false = [confidence(run) for row in done for run in row["runs"] if not row["related"]]
    print(f"{len(done)} pairs; the surest of {len(false)} runs of unrelated ones: {max(false, default=0):.3f}")
    draw(rows, options.figure)


if __name__ == "__main__":
    main()
