"""What is confidence worth? Planted pairs from easy to hopeless, and unrelated ones; a figure.

    python benchmarks/align_calibration.py --work FOLDER [--pairs 520] [--figure calibration.png]

The shared bed of a pair of one to four minutes lies under another film's, 20 to 45 dB below it; of
four pairs one shares nothing, and two are sped up or slowed down with their pitch kept, 14 to 30 dB
below, where the band levels alone can tell; pairs beyond the first 300 are all of that kind, 21 to 27 dB
below, where it is doubtful whether they can. The aligner answers, and every segment of its answer,
accepted or not, is right when it lies within a video frame of the truth in its middle (a stretched one
within a tenth of a second). Evidence is kept in FOLDER/calibration.jsonl and gathered once. The answers
that align.py left in FOLDER count as well, those for pairs that share one scene aside. The confidence is
counted from all that anew each time, and the curve that fits the even and the odd pairs best is printed.
The bank comes from align_cases.py.
"""

import argparse
import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from align import KEPT_SECONDS, RIGHT_SECONDS
from align_cases import AUDIO_HZ, FILM_SECONDS, SCENE_SECONDS, Studio, finished, plan, scene_pair
from sklearn.linear_model import LogisticRegression

from soundstage.align import film, trust
from soundstage.align.features import decimate
from soundstage.align.settings import Settings
from soundstage.media import stretched

LENGTHS = (60, 120, 180, 240)
KINDS = ("plain", "kept", "kept", "unrelated")  # by number, of the first pairs; then faint ones
FIRST_PAIRS = 300
MASK_DB = {"plain": (20, 45), "kept": (14, 30), "faint": (21, 27), "unrelated": (20, 45)}
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def kind_of(number):
    """Return the kind of a pair."""
    return KINDS[number % len(KINDS)] if number < FIRST_PAIRS else "faint"


def sounds(studio, number):
    """Return (reference, track, rate, offset in seconds) of one pair, 48 kHz float32."""
    rng, kind = np.random.default_rng((8, number)), kind_of(number)
    seconds = int(rng.choice(LENGTHS))
    case = plan("hard", number, seconds, 400)
    case |= {"mask_db": float(rng.uniform(*MASK_DB[kind])), "room": bool(rng.random() < 0.3), "lead_seconds": 0.0}
    parts = [scene_pair(studio, case, place) for place in range(seconds // SCENE_SECONDS)]
    reference, track = (np.concatenate([finished(part[side]) for part in parts]) for side in (0, 1))
    if kind == "unrelated":
        other = plan("hard", number + 100000, seconds, 400)
        free = [n for n in other["order"] + other["foreign"] if n not in case["order"]]
        stems = [studio.scene(n) for n in free[: len(parts)]]
        track = np.concatenate([finished(s[0] + s[1] + s[3]) for s in stems])
    late = int(rng.integers(0, 4 * AUDIO_HZ))
    track = np.concatenate([1e-4 * rng.standard_normal(late).astype(np.float32), track])
    kept = kind in ("kept", "faint")
    rate = float(rng.choice([24 / 25, 25 / 24])) if kept else 1.0
    return reference, stretched(track, 1 / rate) if kept else track, rate, rate * late / AUDIO_HZ


def measured(studio, number):
    """Return what each segment of the answer for one pair has to say, and if it is right."""
    reference, track, rate, late = sounds(studio, number)
    settings, kind = Settings(), kind_of(number)
    found = film.align(*(film.sound(decimate(x), settings) for x in (reference, track)), settings)
    truth = [{"reference_start_seconds": 0.0, "reference_end_seconds": 1e9, "offset_seconds": late, "rate": rate}]
    related = kind != "unrelated"
    rows = judged(found, truth if related else [], rate != 1)
    return {"number": number, "kind": kind, "accepted": found["accepted"], "runs": rows}


def judged(found, truth, kept):
    """Return what each segment of an answer has to say, and if it is right.

    truth: the true segments; kept: the track was stretched, so it scatters by itself.
    """
    rows = []
    for part in found["segments"]:
        middle = (part["reference_start_seconds"] + part["reference_end_seconds"]) / 2
        true = [t for t in truth if t["reference_start_seconds"] <= middle <= t["reference_end_seconds"]]
        gaps = [part["offset_seconds"] - t["offset_seconds"] + (part["rate"] - t["rate"]) * middle for t in true]
        row = {key: part[key] for key in ("evidence", "score", "coherent")}
        right = any(abs(gap) <= (KEPT_SECONDS if kept else RIGHT_SECONDS) for gap in gaps)
        rows.append({**row, "chance": found["control"], "control": part["score_control"], "right": right})
    return rows


def answered(work):
    """Return the same as `gather` for the short pairs that align.py has asked the aligner about."""
    rows = []
    for path in sorted((work / "answers" / "ours").glob("*.json")):
        kind, number, seconds = path.stem.rsplit("-", 2)
        if kind != "theme" and int(seconds) <= FILM_SECONDS:
            found, truth = (json.loads(x.read_text()) for x in (path, work / "pairs" / path.stem / "truth.json"))
            runs = judged(found, truth["segments"], truth["kept"])
            rows.append({"number": int(number), "kind": kind, "accepted": found["accepted"], "runs": runs})
    return rows


def gather(options):
    """Return all answers, making those that are missing while there is time."""
    path = options.work / "calibration.jsonl"
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {row["number"] for row in done}
    studio, stop = Studio(options.work), time.monotonic() + options.keep_going_seconds
    for number in range(options.pairs):
        if number in known or time.monotonic() > stop:
            continue
        done.append(measured(studio, number))
        with open(path, "a") as stream:
            stream.write(json.dumps(done[-1]) + "\n")
    return done


def confidence(row):
    """Return the confidence of a segment's evidence as the aligner counts it today."""
    return trust.confidence(SimpleNamespace(**row), row["chance"])


def fitted(rows):
    """Return (ratio of a confidence of a half, width) of the logistic curve that fits the band levels best.

    rows: segments that the wave forms say nothing of.
    """
    ratios, right = [[row["evidence"] / row["chance"]] for row in rows], [row["right"] for row in rows]
    model = LogisticRegression(C=1e6).fit(ratios, right)
    slope, start = float(model.coef_[0, 0]), float(model.intercept_[0])
    return -start / slope, 1 / slope


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
    parser.add_argument("--pairs", type=int, default=520)
    parser.add_argument("--figure", type=Path, default=Path("calibration.png"))
    parser.add_argument("--keep-going-seconds", type=float, default=3600)
    options = parser.parse_args()
    done = gather(options) + answered(options.work)
    halves = [[run for row in done if row["number"] % 2 == odd for run in row["runs"]] for odd in (0, 1)]
    alone = [[run for run in half if not run["coherent"]] for half in halves]
    for name, half in zip(("even", "odd"), alone, strict=True):
        best = ", ".join(f"{value:.3f}" for value in fitted(half))
        print(f"{name} pairs: {len(half)} segments by levels alone, best curve ({best}), now {trust.LEVELS_LOGISTIC}")
    false = [confidence(run) for row in done if row["kind"] == "unrelated" for run in row["runs"]]
    print(f"{len(done)} pairs; the surest of {len(false)} segments of unrelated ones: {max(false, default=0):.3f}")
    draw([(confidence(run), run["right"]) for run in sum(halves, [])], options.figure)


if __name__ == "__main__":
    main()
