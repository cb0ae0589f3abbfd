"""One picture that says whether to believe an alignment."""

from soundstage.align.coarse import TOP_CHANCE
from soundstage.files import atomic


def draw(result, path, names):
    """Write a PNG: lag over time with its evidence, the segments, the refused stretches.

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
    figure.suptitle(f"{names[0][1]}\non {names[0][0]}\n{word}", fontsize=9)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
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
    lower.set(xlabel="reference, s (green: accepted; red: not trusted; white: not covered)", ylabel="evidence (z)")
    lower.legend(loc="upper right")


def _shots(upper, lower, result):
    shots = result.get("shots", [])
    numbers = range(len(shots))
    lags = [1000 * shot["offset_seconds"] for shot in shots]
    upper.scatter(numbers, lags, c=[shot["score"] for shot in shots], cmap="viridis", vmin=0)
    upper.axhline(1000 * result["offset_seconds"], color="tab:green", label="common lag")
    upper.set(ylabel="lag of each shot alone, ms", xticks=list(numbers))
    upper.legend(loc="upper right")
    lower.bar(numbers, [shot["score_at_common"] for shot in shots], color="tab:blue")
    lower.axhline(result["control"], color="tab:red", linestyle="--", label="unrelated sound")
    lower.set(xlabel="shot", ylabel="evidence (z) at the common lag", xticks=list(numbers))
    lower.legend(loc="upper right")
