"""Figures of tables with a line per run: a dot per seed and a bar at the mean, a panel per column."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 (the backend has to be chosen first)

COLUMNS = 5  # panels side by side


def draw(path, panels, title, unit, levels=None):
    """Write a PNG; equal bytes for equal values.

    panels: {title of the panel: {row: (seeds,) values}}, the same rows in each; levels: {title of the
    panel: a value that is marked by a dashed line, such as chance}. A thin line marks the first row's mean.
    """
    rows = list(next(iter(panels.values())))
    wide = min(COLUMNS, len(panels))
    high = -(-len(panels) // wide)
    size = (2.7 * wide + 1.8, high * (0.28 * len(rows) + 0.9) + 0.5)
    figure, axes = plt.subplots(high, wide, figsize=size, sharey=True, squeeze=False)
    for axis, (name, values) in zip(axes.flat, panels.items(), strict=False):
        _panel(axis, values, (levels or {}).get(name))
        axis.set_title(name.replace("_", " "), fontsize=9)
        axis.set_xlabel(unit if isinstance(unit, str) else unit[name], fontsize=8)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=130, format="png", metadata={"Software": None})
    plt.close(figure)


def _panel(axis, values, level):
    """Draw one column of a table: a line per row from the top."""
    for place, found in enumerate(values.values()):
        colour = f"C{place % 10}"
        mean = sum(found) / len(found)
        axis.plot(found, [place] * len(found), "o", ms=4, alpha=0.6, mew=0, color=colour)
        axis.plot([mean], [place], "|", ms=12, mew=2.5, color=colour)
        if not place:
            axis.axvline(mean, color=colour, lw=0.8, ls="-.", zorder=0)
    if level is not None:
        axis.axvline(level, color="black", lw=1, ls="--", zorder=0)
    axis.set_yticks(range(len(values)), [row.replace("_", " ") for row in values], fontsize=8)
    axis.set_ylim(len(values) - 0.5, -0.5)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", lw=0.4, alpha=0.5)
    axis.spines[["top", "right"]].set_visible(False)
