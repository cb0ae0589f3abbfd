"""Score labels themselves against dense annotations, as if they were a parser's predictions.

    python -m soundstage.teachers.fidelity --annotations ../shared/llp --split test --name clip_clap \\
        --labels labels-test.npz --out fidelity.json

Without --labels the weak label is broadcast: on every segment of both modalities. A label counts as
present from 0.5 on. The output is that of soundstage.parse.score, with the name.
"""

import numpy as np

from soundstage import cli
from soundstage.files import sha256, write_json
from soundstage.parse import annotations, predictions, store
from soundstage.parse.classes import MODALITIES, SECONDS
from soundstage.parse.score import report, score, text


def main():
    """Read the flags, score, write and print."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="folder with the AVVP_*.csv files")
    parser.add_argument("--split", default="test", choices=["test", "val"])
    parser.add_argument("--name", required=True, help="of the labels, for the table")
    parser.add_argument("--labels", help=".npz file of labels (default: the weak label, broadcast)")
    parser.add_argument("--out", required=True, help="the JSON file to write")
    arguments = parser.parse_args()
    truth = annotations.read(arguments.annotations, arguments.split)
    found = labelled(arguments.labels) if arguments.labels else broadcast(truth)
    result = score(found, truth) | {"name": arguments.name}
    result["inputs"] = {arguments.labels: sha256(arguments.labels)} if arguments.labels else {}
    report(result)
    write_json(arguments.out, result)
    print(text(result["f_scores"]))


def labelled(path):
    """Return the labels of a file as `predictions.Predictions`."""
    labels = store.load_labels(path)
    present = np.stack([labels.audio, labels.visual], axis=2) >= predictions.PRESENT_AT
    return predictions.Predictions(labels.filenames, present, "none")


def broadcast(truth):
    """Return the weak labels of `Annotations` on every segment of both modalities."""
    shape = (len(truth.weak), SECONDS, len(MODALITIES), truth.weak.shape[1])
    present = np.broadcast_to(truth.weak[:, None, None], shape)
    return predictions.Predictions(truth.filenames, present, "none")


if __name__ == "__main__":
    cli.run(main)
