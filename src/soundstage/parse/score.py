"""Score predictions against dense annotations with the ten F-scores of event parsing.

    python -m soundstage.parse.score --predictions predictions.parquet --annotations ../shared/llp \\
        --split test --out scores.json --rule shared

The predictions are Parquet as soundstage.parse.predictions describes, or an .npz of packed bits.
scores.json holds f_scores, n (videos scored), the videos that are missing, and the faults of the
annotation files. Videos without predictions are named and left out, never counted as empty.
"""

import numpy as np

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import sha256, write_json
from soundstage.parse import annotations, metric, predictions
from soundstage.parse.classes import LLP

SHOWN = 5  # most names in a line


def main():
    """Read the flags, score, write and print."""
    parser = cli.parser(__doc__)
    parser.add_argument("--predictions", required=True, help=".parquet or .npz file")
    parser.add_argument("--annotations", required=True, help="folder with the AVVP_*.csv files")
    parser.add_argument("--split", required=True, choices=["test", "val"])
    parser.add_argument("--out", required=True, help="the JSON file to write")
    parser.add_argument(
        "--rule",
        choices=predictions.RULES,
        default="shared",
        help="which probability filters a segment besides its own: the video's (shared, the published rule) "
        "or its modality's (per_modality); without effect on files that say what is present",
    )
    arguments = parser.parse_args()
    truth = annotations.read(arguments.annotations, arguments.split)
    found = predictions.read(arguments.predictions, arguments.rule)
    result = score(found, truth)
    result["inputs"] = {str(arguments.predictions): sha256(arguments.predictions)}
    report(result)
    write_json(arguments.out, result)
    print(text(result["f_scores"]))


def score(found, truth, classes=LLP):
    """Return the object of scores.json for `predictions.Predictions` and `Annotations`.

    per_class holds precision and recall of the segments, percent, None where undefined. UserError
    when no video of the split is among the predictions.
    """
    place = {name: index for index, name in enumerate(found.filenames)}
    kept = [index for index, name in enumerate(truth.filenames) if name in place]
    if not kept:
        raise UserError(
            f"none of the {len(place)} videos predicted is in the split {truth.split}",
            found.filenames[0] if place else None,
            "names are those of the annotation files, such as BjCEufrlXm4_20_30",
        )
    present = found.present[[place[truth.filenames[index]] for index in kept]]
    pairs = {"audio": (present[:, :, 0], truth.audio[kept]), "visual": (present[:, :, 1], truth.visual[kept])}
    heard, seen = pairs["audio"], pairs["visual"]
    return {
        "f_scores": metric.f_scores(heard[0], seen[0], heard[1], seen[1]),
        "per_class": {name: _per_class(*pair, classes) for name, pair in pairs.items()},
        "n": len(kept),
        "n_expected": len(truth.filenames),
        "missing": [name for name in truth.filenames if name not in place],
        "not_in_split": len(place) - len(kept),
        "incomplete": found.incomplete,
        "split": truth.split,
        "rule": found.rule,
        "ground_truth": truth.ground_truth,
        "faults": list(truth.faults),
    }


def _per_class(predicted, true, classes):
    values = metric.precision_recall_percent(predicted, true)
    return {
        name: {
            key: None if np.isnan(value[index]) else float(value[index])
            for key, value in zip(("precision", "recall"), values, strict=True)
        }
        for index, name in enumerate(classes)
    }


def report(result):
    """Say on stderr what a reader of the scores has to know."""
    missing, names = result["missing"], ", ".join(result["missing"][:SHOWN])
    if missing:
        more = ", ..." if len(missing) > SHOWN else ""
        cli.say(f"warning: scored {result['n']} of {result['n_expected']} videos; no predictions for {names}{more}")
    if result["incomplete"]:
        cli.say(f"warning: {result['incomplete']} videos lack lines, which count as absent")
    if result["not_in_split"]:
        cli.say(f"left out: {result['not_in_split']} videos that are not in the split {result['split']}")
    faults = result["faults"]
    cli.say(f"ground truth: {result['ground_truth']}; {len(faults)} faults in its files, all named in the output")
    for line in faults[:SHOWN]:
        cli.say(f"  {line}")


def text(scores):
    """Return the ten F-scores as two aligned lines under a header."""
    lines = ["level".ljust(8) + "".join(name.rjust(14) for name in metric.COLUMNS)]
    lines += [
        level.ljust(8) + "".join(f"{scores[level][name]:14.3f}" for name in metric.COLUMNS) for level in metric.LEVELS
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
