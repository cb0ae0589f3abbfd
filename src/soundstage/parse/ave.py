"""Score predictions on AVE: one event a video, in some seconds both heard and seen, else background.

    python -m soundstage.parse.ave --annotations data/Annotations.txt --order data/test_order.h5 \\
        --predictions predictions.npz --out scores.json

The annotations have a line per video: class & id & quality & first second & last second + 1. The
order file names the lines of a split, from 0, under the key `order`. Predictions are an .npz of line
(videos,) and classes (videos, 10), a class number in the order of first appearance, 28 for
background. Without --predictions the two reference rows alone are scored: background everywhere, and
the true class of each video in every second, which is what perfect classification without any
localisation reaches.
"""

import dataclasses

import numpy as np

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import sha256, write_json
from soundstage.parse.classes import SECONDS

BACKGROUND = "background"


@dataclasses.dataclass(frozen=True)
class Split:
    """classes: names, background last; lines: (videos,) int; truth: (videos, 10) int class numbers;
    labels: (videos,) int, the class of each video; faults: words; videos: ids, of each line.
    """

    classes: tuple
    lines: np.ndarray
    truth: np.ndarray
    labels: np.ndarray
    faults: tuple
    videos: tuple = ()


def main():
    """Read the flags, score, write and print."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="Annotations.txt")
    parser.add_argument("--order", required=True, help=".h5 file with the lines of the split")
    parser.add_argument("--predictions", help=".npz of line and classes")
    parser.add_argument("--out", required=True, help="the JSON file to write")
    options = parser.parse_args()
    split = read(options.annotations, read_order(options.order))
    rows = references(split)
    if options.predictions:
        rows = {"predictions": scores(read_predictions(options.predictions, split), split)} | rows
    for line in split.faults:
        cli.say(f"  {line}")
    inputs = {path: sha256(path) for path in (options.annotations, options.order, options.predictions) if path}
    write_json(options.out, {"rows": rows, "n": len(split.lines), "faults": list(split.faults), "inputs": inputs})
    for name, row in rows.items():
        print(f"{name:28}{row['accuracy_percent']:8.2f} %, background recall {_text(row['background_recall'])}")


def _text(value):
    return "-" if value is None else f"{value:.2f} %"


def read_order(path):
    """Return (videos,) int64 line numbers from 0 of a split's order file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return np.asarray(file["order"], np.int64)
    except (OSError, KeyError) as error:
        raise UserError(f"expected an .h5 file with the dataset order ({error})", path) from None


def read(path, order):
    """Return the `Split` of the lines `order` of an Annotations.txt; a header line is passed over.

    UserError, naming the line, where one cannot be read or `order` asks for one that is not there.
    """
    rows = _rows(path)
    classes = tuple(dict.fromkeys(row[0] for row in rows))
    if len(order) and (order.min() < 0 or order.max() >= len(rows)):
        raise UserError(f"the order asks for line {order.max()}, found {len(rows)} lines from 0", path)
    truth, labels, faults = np.full((len(order), SECONDS), len(classes)), np.zeros(len(order), np.int64), []
    for place, line in enumerate(order):
        name, video, start, end = rows[line]
        labels[place] = classes.index(name)
        truth[place, start:end] = labels[place]
        if start >= end:
            faults.append(f"line {line}: {video}: {name} from {start} to {end} marks nothing")
    videos = tuple(rows[line][1] for line in order)
    return Split((*classes, BACKGROUND), np.asarray(order), truth, labels, tuple(faults), videos)


def chosen(split, place):
    """Return the `Split` of some of its videos; place: (n,) int."""
    videos = tuple(split.videos[index] for index in place)
    return dataclasses.replace(
        split, lines=split.lines[place], truth=split.truth[place], labels=split.labels[place], videos=videos
    )


def _rows(path):
    """Return (class, id, start, end) of every line."""
    try:
        with open(path, encoding="utf-8") as stream:
            lines = [line.rstrip("\n").split("&") for line in stream if line.strip()]
    except OSError as error:
        raise UserError(f"cannot read the annotations ({error.strerror})", path) from None
    if lines and lines[0][0] == "Category":
        lines = lines[1:]
    try:
        return [(name, video, int(start), int(end)) for name, video, _, start, end in lines]
    except ValueError:
        fault = next(number for number, line in enumerate(lines) if len(line) != 5 or not "".join(line[3:]).isdigit())
        raise UserError(f"line {fault} from 0: expected five cells split by &, found {lines[fault]}", path) from None


def read_predictions(path, split):
    """Return (videos, 10) int class numbers in the order of a `Split`; UserError for gaps."""
    try:
        with np.load(path, allow_pickle=False) as file:
            lines, classes = file["line"], file["classes"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"expected an .npz of line and classes ({error})", path) from None
    if classes.shape != (len(lines), SECONDS) or not ((classes >= 0) & (classes < len(split.classes))).all():
        raise UserError(f"expected class numbers 0 to {len(split.classes) - 1}, ten a video", path)
    place = {int(line): index for index, line in enumerate(lines)}
    missing = [int(line) for line in split.lines if int(line) not in place]
    if missing or len(place) != len(lines):
        raise UserError(f"expected one prediction of every video; missing lines {missing[:10]}", path)
    return classes[[place[int(line)] for line in split.lines]]


def decide(video, audio, visual):
    """Return (videos, 10) int: the likeliest class of the video where both streams fire, else background.

    video: (videos, classes) probabilities; audio, visual: (videos, 10, classes). A stream fires at 0.5.
    """
    best = video.argmax(1)
    rows = np.arange(len(best))
    fires = (audio[rows, :, best] >= 0.5) & (visual[rows, :, best] >= 0.5)
    return np.where(fires, best[:, None], video.shape[1])


def scores(predicted, split):
    """Return accuracy_percent, background_recall and recall of every class, percent (None without any).

    predicted: (videos, 10) int. Accuracy is over all seconds of all videos.
    """
    right = predicted == split.truth
    recall = {
        name: float(100 * right[split.truth == number].mean()) if (split.truth == number).any() else None
        for number, name in enumerate(split.classes)
    }
    background = recall.pop(BACKGROUND)
    return {"accuracy_percent": float(100 * right.mean()), "background_recall": background, "class_recall": recall}


def references(split):
    """Return {row: scores} of two predictions that look at no video."""
    everywhere = np.repeat(split.labels[:, None], SECONDS, axis=1)
    nothing = np.full_like(everywhere, len(split.classes) - 1)
    return {"all background": scores(nothing, split), "true video label everywhere": scores(everywhere, split)}


if __name__ == "__main__":
    cli.run(main)
