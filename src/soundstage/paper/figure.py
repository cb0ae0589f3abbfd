"""The figure of table 1: a dot per seed, the mean with its interval, and chance, per group."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 (the backend has to be chosen first)

from soundstage.paper.compare import MATCHED, group_values, grouped  # noqa: E402
from soundstage.paper.statistics import t_interval  # noqa: E402

COLOURS = ("#7f7f7f", "#1f77b4", "#17a2c9", "#9467bd", "#d95f02", "#e6a000")


def draw(path, scores, runs, seeds, settings):
    """Write a PNG with one panel per group and one line per run; equal bytes for equal scores."""
    groups = grouped(scores)
    figure, axes = plt.subplots(
        1, len(groups), figsize=(2.9 * len(groups) + 1.6, 0.45 * len(runs) + 1.7), sharey=True
    )
    for axis, (group, names) in zip(
        [axes] if len(groups) == 1 else axes, groups.items(), strict=True
    ):
        _panel(axis, scores, runs, seeds, names, settings)
        axis.set_title(f"{group} ({len(names)} task{'s' if len(names) > 1 else ''})", fontsize=10)
        axis.set_xlabel("percent")
    figure.suptitle(
        f"Corpus {settings.corpus}: group means; dots are seeds, bars "
        f"{settings.confidence_percent:g} % intervals of the mean, dashes chance, "
        "dots and dashes the monolingual mean",
        fontsize=9,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=150, format="png", metadata={"Software": None})
    plt.close(figure)


def _panel(axis, scores, runs, seeds, names, settings):
    """Draw one group: a line per run from the top, in the table's order."""
    for row, run in enumerate(runs):
        values = group_values(scores, run, seeds, names)
        mean, low, high = t_interval(values, settings.confidence_percent)
        colour = COLOURS[row % len(COLOURS)]
        axis.plot(values, [row + 0.2] * len(values), "o", ms=4, color=colour, alpha=0.6, mew=0)
        if len(values) > 1:
            axis.plot([low, high], [row, row], "-", lw=2.5, color=colour)
        axis.plot([mean], [row], "|", ms=11, mew=2.5, color=colour)
        if run == MATCHED["dubs"]:
            axis.axvline(mean, color=colour, lw=0.8, ls="-.", zorder=0)
    chance = sum(scores[runs[0], seeds[0], name].chance for name in names) / len(names)
    axis.axvline(chance, color="black", lw=1, ls="--", zorder=0)
    axis.set_yticks(range(len(runs)), [run.replace("_", " ") for run in runs])
    axis.set_ylim(len(runs) - 0.5, -0.5)
    axis.grid(axis="x", lw=0.4, alpha=0.5)
    axis.spines[["top", "right"]].set_visible(False)
