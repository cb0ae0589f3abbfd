"""Draw what is heard and seen in a few videos, second by second: truth, labels, predictions.

    python -m soundstage.paper.timeline --annotations ../shared/llp --split test --videos NAME NAME \\
        --labels valor=labels-test.npz --predictions valor=predictions.parquet --out timeline.png

A panel per video and modality. A row per class that anything says of the video; in it a bar per
source: the annotation, each set of labels, each parser.
"""

from pathlib import Path

import numpy as np

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.parse import annotations, predictions, store
from soundstage.parse.classes import LLP, MODALITIES, SECONDS

TRUTH = "annotation"


def main():
    """Read the flags and draw."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="folder with the AVVP_*.csv files")
    parser.add_argument("--split", default="test", choices=["test", "val"])
    parser.add_argument("--videos", nargs="+", required=True, help="names as in the annotation files")
    parser.add_argument("--labels", nargs="*", default=[], metavar="NAME=NPZ", help="sets of labels")
    parser.add_argument("--predictions", nargs="*", default=[], metavar="NAME=FILE", help="parsers' predictions")
    parser.add_argument("--rule", choices=predictions.RULES, default="shared", help="decision of the parsers")
    parser.add_argument("--out", required=True, type=Path, help="the PNG file to write")
    options = parser.parse_args()
    truth = annotations.read(options.annotations, options.split)
    sources = {TRUTH: (truth.filenames, np.stack([truth.audio, truth.visual], axis=2))}
    for name, path in map(_named, options.labels):
        found = store.load_labels(path)
        sources[name] = found.filenames, np.stack([found.audio, found.visual], axis=2) >= predictions.PRESENT_AT
    for name, path in map(_named, options.predictions):
        found = predictions.read(path, options.rule)
        sources[name] = found.filenames, found.present
    with atomic(options.out) as temporary:
        draw(temporary, [panel(video, sources) for video in options.videos])


def _named(text):
    name, _, path = text.partition("=")
    if not name or not path:
        raise UserError(f"expected NAME=FILE, found {text!r}")
    return name, path


def panel(video, sources):
    """Return (video, {source: (10, 2, classes) bool}) of the sources that know the video.

    sources: {name: (filenames, (videos, 10, 2, classes) bool)}. UserError when the annotation does
    not know it.
    """
    found = {name: present[names.index(video)] for name, (names, present) in sources.items() if video in names}
    if TRUTH not in found:
        raise UserError("expected the name of a video of the split", video)
    return video, found


def rows(found, modality):
    """Return a list of (class, source, (10,) bool) of one modality, in the order they are drawn.

    A class is drawn when any source says something of it.
    """
    place = MODALITIES.index(modality)
    spoken = np.any([present[:, place].any(0) for present in found.values()], axis=0)
    return [(LLP[c], name, present[:, place, c]) for c in np.flatnonzero(spoken) for name, present in found.items()]


def draw(path, panels):
    """Write a PNG with a line of two panels (heard, seen) per video."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    heights = [max(1, *(len(rows(found, modality)) for modality in MODALITIES)) for _, found in panels]
    figure, axes = plt.subplots(
        len(panels),
        2,
        figsize=(12, 0.22 * sum(heights) + 0.9 * len(panels) + 0.4),
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )
    for line, (video, found) in zip(axes, panels, strict=True):
        for axis, modality in zip(line, MODALITIES, strict=True):
            _panel(axis, rows(found, modality), list(found))
            axis.set_title(f"{video}: {'heard' if modality == 'audio' else 'seen'}", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=130, format="png", metadata={"Software": None})
    plt.close(figure)


def _panel(axis, lines, names):
    """Draw the lines of one panel from the top, a colour per source."""
    for row, (_, source, present) in enumerate(lines):
        colour = "black" if source == TRUTH else f"C{names.index(source) - 1}"
        spans = [(second, 1) for second in np.flatnonzero(present)]
        axis.broken_barh(spans, (row - 0.4, 0.8), color=colour, lw=0)
    axis.set_yticks(range(len(lines)), [f"{label}: {source}" for label, source, _ in lines], fontsize=7)
    axis.set_ylim(max(len(lines), 1) - 0.5, -0.5)
    axis.set_xlim(0, SECONDS)
    axis.set_xticks(range(SECONDS + 1))
    axis.grid(axis="x", lw=0.3, alpha=0.5)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    cli.run(main)
