"""Draw what is heard and seen in single videos, second by second: truth, labels, predictions.

    python -m soundstage.paper.timeline --annotations ../shared/llp --split test --videos NAME NAME \\
        --labels valor=labels-test.npz --predictions valor=predictions.parquet --out a.png b.png

A picture per video: on the left what is heard, on the right what is seen. Each class of which any source
says something has a band, and in it a line per source: the annotation, each set of labels, each
parser. Without --videos as many are taken as --out names files, evenly spaced among the videos of the split
in which sight and sound of a class come apart; no prediction has a say in that.
"""

from pathlib import Path

import numpy as np

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.parse import annotations, predictions, store
from soundstage.parse.classes import LLP, MODALITIES, SECONDS

TRUTH = "annotation"
HEARD, SEEN = MODALITIES
TITLES = {HEARD: "heard", SEEN: "seen"}
LINE_INCHES = 0.2  # of a source's line; a band has one line more, for the name of its class


def main():
    """Read the flags and draw."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="folder with the AVVP_*.csv files")
    parser.add_argument("--split", default="test", choices=["test", "val"])
    parser.add_argument("--videos", nargs="+", help="names as in the annotation files (default: some are chosen)")
    parser.add_argument("--labels", nargs="*", default=[], metavar="NAME=NPZ", help="sets of labels")
    parser.add_argument("--predictions", nargs="*", default=[], metavar="NAME=FILE", help="parsers' predictions")
    parser.add_argument("--rule", choices=predictions.RULES, default="shared", help="decision of the parsers")
    parser.add_argument("--out", nargs="+", required=True, type=Path, help="the PNG files to write, one a video")
    options = parser.parse_args()
    truth = annotations.read(options.annotations, options.split)
    videos = options.videos or chosen(truth, len(options.out))
    if len(videos) != len(options.out):
        raise UserError(f"expected a file for each of {len(videos)} videos, found {len(options.out)}", "--out")
    sources = {TRUTH: (truth.filenames, np.stack([truth.audio, truth.visual], axis=2))}
    for name, path in map(_named, options.labels):
        found = store.load_labels(path)
        sources[f"{name} labels"] = (
            found.filenames,
            np.stack([found.audio, found.visual], axis=2) >= predictions.PRESENT_AT,
        )
    for name, path in map(_named, options.predictions):
        found = predictions.read(path, options.rule)
        sources[name] = found.filenames, found.present
    for video, path in zip(videos, options.out, strict=True):
        with atomic(path) as temporary:
            draw(temporary, *panel(video, sources))


def _named(text):
    name, _, path = text.partition("=")
    if not name or not path:
        raise UserError(f"expected NAME=FILE, found {text!r}")
    return name, path


def chosen(truth, count):
    """Return the names of `count` videos of `Annotations`, evenly spaced among those worth a look.

    Those are the videos with two classes or more, one of which is heard and seen, but not in the same
    seconds; where they are too few, all videos.
    """
    both = truth.audio.any(1) & truth.visual.any(1) & (truth.audio != truth.visual).any(1)
    worth = np.flatnonzero(both.any(1) & ((truth.audio | truth.visual).any(1).sum(1) > 1))
    worth = worth if len(worth) >= count else np.arange(len(truth.filenames))
    if len(worth) < count:
        raise UserError(f"expected at least {count} videos in the split, found {len(worth)}", "--out")
    return [truth.filenames[worth[(2 * place + 1) * len(worth) // (2 * count)]] for place in range(count)]


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


def draw(path, video, found):
    """Write a PNG of one video with a panel of what is heard and one of what is seen."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lines = {modality: rows(found, modality) for modality in MODALITIES}
    bands = max(1, *(len({line[0] for line in one}) for one in lines.values()))
    most = bands * (len(found) + 1)
    figure, axes = plt.subplots(1, 2, figsize=(12, LINE_INCHES * most + 1.3))
    for axis, modality in zip(axes, MODALITIES, strict=True):
        _panel(axis, lines[modality], list(found), most)
        axis.set_title(TITLES[modality], fontsize=11)
    figure.suptitle(f"Video {video}: seconds in which each source says that a class is there", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=130, format="png", metadata={"Software": None})
    plt.close(figure)


def _panel(axis, lines, names, most):
    """Draw the bands of one panel from the top, a colour per source; most: lines of the longer panel."""
    ticks, y = {}, -1
    for label, source, present in lines:
        if source == names[0]:
            y += 1
            axis.text(0, y, label.replace("_", " "), fontsize=9, weight="bold", va="center")
        y += 1
        ticks[y] = source
        colour = "black" if source == TRUTH else f"C{names.index(source) - 1}"
        axis.broken_barh([(0, SECONDS)], (y - 0.36, 0.72), color="0.95", lw=0)
        axis.broken_barh([(second, 1) for second in np.flatnonzero(present)], (y - 0.36, 0.72), color=colour, lw=0)
    if not lines:
        axis.text(SECONDS / 2, most / 2, "nothing, by any source", ha="center", fontsize=9)
    axis.set_yticks(list(ticks), [name.replace("_", " ") for name in ticks.values()], fontsize=8)
    axis.set_ylim(most - 0.5, -0.7)
    axis.set_xlim(0, SECONDS)
    axis.set_xticks(range(SECONDS + 1))
    axis.set_xlabel("seconds", fontsize=9)
    axis.grid(axis="x", lw=0.3, alpha=0.6)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


if __name__ == "__main__":
    cli.run(main)
