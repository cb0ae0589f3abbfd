"""One picture that says whether to believe an alignment."""

from pathlib import Path

import numpy as np

from soundstage.align.coarse import TOP_CHANCE
from soundstage.files import atomic
from soundstage.units import AUDIO_HZ

BAND_HZ = 150, 6000  # what every codec keeps
CLOSE_SAMPLES = AUDIO_HZ // 20
# What a picture may be, by its suffix, and what keeps the day and the program out of it.
FORMATS = {".png": {"Software": None}, ".jpg": None, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def draw(result, path, names):
    """Write a picture of one of FORMATS: lag over time with its evidence, the segments, the refused stretches.

    result: the dict of soundstage.align.estimate; names: list of (reference, track) for the title.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (upper, lower) = pyplot.subplots(
        2, 1, figsize=(11, 6), sharex="path" in result, height_ratios=(2, 1), layout="constrained"
    )
    if "path" in result:
        _film(upper, lower, result)
    else:
        _shots(upper, lower, result)
    accepted = f"accepted, confidence {result['confidence']:.2f}" + (", pitch kept" * result["pitch_corrected"])
    word = accepted if result["accepted"] else f"refused: {result['reason']}"
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    figure.suptitle(f"{names[0][1]}\non {names[0][0]}{more}\n{word}", fontsize=9)
    _save(figure, path)


def draw_overlay(both, start_seconds, path, title):
    """Write a picture of one of FORMATS: the two sides of a passage over each other, whole and where they agree most.

    both: (samples, 2) float32 at 48 kHz, film and aligned dub; start_seconds: of the film.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from scipy import signal

    band = signal.butter(4, BAND_HZ, "bandpass", fs=AUDIO_HZ, output="sos")
    sides = signal.sosfiltfilt(band, both, axis=0)
    blocks = [_agreement(sides[at : at + CLOSE_SAMPLES]) for at in range(0, len(sides), CLOSE_SAMPLES)]
    best = int(np.argmax(blocks)) * CLOSE_SAMPLES
    figure, axes = pyplot.subplots(2, 1, figsize=(11, 6), layout="constrained")
    for axis, first, last in ((axes[0], 0, len(sides)), (axes[1], best, best + CLOSE_SAMPLES)):
        part = sides[first:last]
        seconds = start_seconds + (first + np.arange(len(part))) / AUDIO_HZ
        axis.plot(seconds, part[:, 0], color="tab:blue", linewidth=0.8, label="left: film")
        axis.plot(seconds, part[:, 1], color="tab:orange", linewidth=0.8, alpha=0.8, label="right: dub")
        axis.set_ylabel(f"{BAND_HZ[0]} to {BAND_HZ[1]} Hz")
    axes[0].legend(loc="upper right")
    milliseconds = 1000 * CLOSE_SAMPLES // AUDIO_HZ
    axes[1].set_xlabel(f"film, s (below: the {milliseconds} ms that agree most, r = {max(blocks):.2f})")
    figure.suptitle(title, fontsize=9)
    _save(figure, path)


def _agreement(part):
    """Return the correlation of the two sides of (samples, 2), 0 where there is nothing to hear."""
    left, right = part.T
    power = float(np.sqrt(np.mean(left**2) * np.mean(right**2)))
    return float(np.mean(left * right)) / power if power > 1e-4 else 0.0


def _save(figure, path):
    """Write a figure whole or not at all, and let pyplot forget it."""
    from matplotlib import pyplot

    suffix = Path(path).suffix.lower()
    pyplot.rcParams["svg.hashsalt"] = "soundstage"  # the same names in it each time
    with atomic(path) as temporary:
        figure.savefig(temporary, format=suffix[1:], dpi=110, metadata=FORMATS[suffix])
    pyplot.close(figure)


def _film(upper, lower, result):
    path, rate = result["path"], result["rate"]
    centers, evidence = path["centers_seconds"], path["evidence"]
    drift = [x * (path["rate"] - rate) for x in centers]
    lags = [lag + move for lag, move in zip(path["lags_seconds"], drift, strict=True)]
    marks = upper.scatter(centers, lags, c=evidence, cmap="viridis", vmin=0, vmax=20, s=28, zorder=3)
    upper.figure.colorbar(marks, ax=upper, label="evidence (z)")
    shown = []
    for segment in result["segments"]:
        start, end = segment["reference_start_seconds"], segment["reference_end_seconds"]
        lag = [segment["offset_seconds"] + (segment["rate"] - rate) * t for t in (start, end)]
        color = "tab:green" if segment["accepted"] else "tab:red"
        upper.plot([start, end], lag, color=color, linewidth=3, alpha=0.6)
        upper.annotate(f"{segment['confidence']:.2f}", (start, lag[0]), xytext=(2, 6), textcoords="offset points")
        shown += lag if segment["accepted"] else []
        for axis in (upper, lower):
            axis.axvspan(start, end, color=color, alpha=0.1, linewidth=0)
            for first, last in segment.get("unheard_seconds", ()):
                axis.axvspan(first, last, facecolor="none", edgecolor="tab:gray", alpha=0.5, hatch="///", linewidth=0)
    label = f"track - {rate:.5f} x reference, s"
    if shown:
        # chunks without shared sound wander over minutes, which would hide the segments
        low, high = min(shown), max(shown)
        spare = max(0.1, 0.2 * (high - low))
        upper.set_ylim(low - spare, high + spare)
        lost = sum(not low - spare <= lag <= high + spare for lag in lags)
        label += f"\n({lost} of {len(lags)} points lie outside)"
    upper.set_ylabel(label)
    step = centers[1] - centers[0] if len(centers) > 1 else 2.0
    lower.bar(centers, evidence, width=0.8 * step, color="tab:blue")
    lower.axhline(TOP_CHANCE, color="tab:red", linestyle="--", label="hardly reached by unrelated sound")
    words = "green: accepted; red: not trusted; white: not covered; hatched: shares nothing"
    lower.set(xlabel=f"reference, s ({words})", ylabel="evidence (z)")
    lower.legend(loc="upper right")


def _shots(upper, lower, result):
    """Draw evidence by lag, all shots together, and how each shot supports the lag that was chosen."""
    shots, curve = result.get("shots", []), result.get("curve", {"lags_seconds": [], "evidence": []})
    color = "tab:green" if result["accepted"] else "tab:red"
    lag, height = 1000 * result["offset_seconds"], max(curve["evidence"], default=0.0)
    upper.fill_between([1000 * x for x in curve["lags_seconds"]], curve["evidence"], color="tab:blue", linewidth=1)
    word = "chosen" if result["accepted"] else "best, not trusted"
    upper.plot([lag], [height], "o", color=color, label=f"{word}: {lag:+.2f} ms", zorder=3)
    for shot in shots if len(shots) > 1 else []:
        upper.plot([1000 * shot["offset_seconds"]], [0], "^", color="black", clip_on=False, markersize=5)
    alone = "; triangles: each shot alone" if len(shots) > 1 else ""
    upper.set(xlabel=f"lag of the track, ms{alone}", ylabel="agreement (z), all shots")
    upper.set_ylim(0, 1.25 * max(height, 10.0))
    upper.legend(loc="upper right")
    _bars(lower, shots, {segment.get("pair", 0): segment["accepted"] for segment in result["segments"]})


def _bars(axis, shots, accepted):
    """Draw each shot's evidence at the common lag beside what chance reaches; accepted: by pair."""
    places = [shot.get("pair", number) for number, shot in enumerate(shots)]
    colors = ["tab:green" if accepted.get(place) else "tab:red" for place in places]
    names = [f"shot {place}" for place in places]
    axis.barh(names, [shot["evidence"] for shot in shots], height=0.6, color=colors)
    chance = [shot["control"] for shot in shots]
    axis.plot(chance, names, "|", color="black", markersize=14, label="what unrelated sound reaches")
    axis.set_xlim(0, max([12.0, *(1.05 * shot["evidence"] for shot in shots)]))
    axis.set_ylim(len(shots) - 0.2 if len(shots) > 1 else 1, -1 if len(shots) == 1 else -0.8)
    axis.set(xlabel="evidence (z) of each shot at that lag")
    axis.legend(loc="lower right")
