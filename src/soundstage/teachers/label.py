"""Make the labels of a split from the teachers' scores, or find the thresholds for that.

    python -m soundstage.teachers.label --scores shard-*.parquet --annotations ../shared/llp --split train \\
        --thresholds thresholds.json --out labels-train.npz
    python -m soundstage.teachers.label --scores shard-*.parquet --annotations ../shared/llp --split val \\
        --calibrate thresholds.json

A label is 1 where the score is above its class's threshold and the video's weak label holds the
class. --soft gives probabilities instead; --fuse gives both streams one label of both teachers. With
--calibrate the thresholds of the best F1 on the split's dense annotations are written as a prompts
file, marked as ours.
"""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import read_json, write_json
from soundstage.parse import annotations, store
from soundstage.parse.classes import LLP, MODALITIES, SECONDS
from soundstage.parse.pack import report
from soundstage.teachers import prompts, rules
from soundstage.teachers.settings import Settings


def main():
    """Read the flags; write labels or thresholds."""
    parser = cli.parser(__doc__)
    parser.add_argument("--scores", nargs="+", required=True, help="Parquet files of harvest")
    parser.add_argument("--annotations", required=True, help="folder with LLP's AVVP_*.csv or AVE's files")
    parser.add_argument("--split", required=True, choices=["train", "val", "test"])
    parser.add_argument("--thresholds", help="JSON of captions and thresholds (default: the package's own)")
    parser.add_argument("--soft", action="store_true", help="probabilities instead of 0 and 1")
    parser.add_argument("--fuse", choices=rules.FUSIONS, help="one label of both teachers for both streams")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--out", help="the .npz file of labels to write")
    wanted.add_argument("--calibrate", help="the JSON file of thresholds to write")
    cli.add_settings(parser, Settings)
    options = parser.parse_args()
    if options.soft and options.fuse:
        raise UserError("--soft and --fuse exclude each other")
    truth = annotations.read(options.annotations, options.split)
    names, scores, dropped = read_scores(options.scores, truth.filenames, truth.classes)
    place, _ = store.rows(truth.filenames, names)
    options.thresholds = options.thresholds or prompts.default(truth.classes)
    asked = prompts.read(options.thresholds, truth.classes)
    if options.calibrate:
        return calibrate(scores, truth, place, options)
    audio, visual = make(scores, asked.thresholds, truth.weak[place], options)
    report(dropped, len(truth.filenames), "labels")
    store.save_labels(options.out, store.Labels(names, audio, visual, tuple(dropped)))


def read_scores(paths, wanted, classes=LLP):
    """Return (names, {modality: (names, 10, classes) float32}, dropped) of harvest's Parquet files.

    names: those of `wanted` that were scored, in its order; NaN for a modality that a video lacks;
    dropped: {"filename", "reason"} of the others, the reason as harvest's .json gives it.
    """
    said = {entry["filename"]: entry for path in paths for entry in read_json(Path(path).with_suffix(".json"))}
    names = tuple(name for name in wanted if name in said and not said[name]["reason"])
    if not names:
        raise UserError("no video of the split was scored", paths[0])
    lost = [name for name in wanted if name not in set(names)]
    dropped = [{"filename": name, "reason": said[name]["reason"] if name in said else "not harvested"} for name in lost]
    columns = ["filename", "modality", "segment", "scores"]
    table = pyarrow.concat_tables([pyarrow.parquet.read_table(path, columns=columns) for path in paths])
    place = {name: index for index, name in enumerate(names)}
    scores = {key: np.full((len(names), SECONDS, len(classes)), np.nan, np.float32) for key in MODALITIES}
    values = np.asarray(table["scores"].combine_chunks().flatten()).reshape(table.num_rows, -1)
    if table.num_rows and values.shape[1] != len(classes):
        raise UserError(f"expected {len(classes)} scores a segment, found {values.shape[1]}", paths[0])
    keys = (table[name].to_pylist() for name in columns[:3])
    for row, (name, modality, segment) in enumerate(zip(*keys, strict=True)):
        if name in place:
            scores[modality][place[name], segment] = values[row]
    return names, scores, dropped


def make(scores, thresholds, weak, options):
    """Return (audio, visual) labels (videos, 10, classes) float32 by the rule that the flags name."""
    if options.fuse:
        both = rules.fused(scores["audio"], scores["visual"], thresholds, weak, options.fuse)
        return both, both
    if options.soft:
        temperature = options.settings.soft_temperature
        return tuple(rules.soft(scores[key], thresholds[key], weak, temperature) for key in MODALITIES)
    return tuple(rules.binary(scores[key], thresholds[key], weak) for key in MODALITIES)


def calibrate(scores, truth, place, options):
    """Write the thresholds of the best F1 on the dense annotations of the split."""
    if truth.audio is None:
        raise UserError("thresholds are found on val or test, which have dense annotations", "--split")
    about = read_json(options.thresholds)
    dense = {"audio": truth.audio[place], "visual": truth.visual[place]}
    for key in MODALITIES:
        fallback = np.array(about[key]["thresholds"], np.float32)
        found = rules.calibrated(scores[key], truth.weak[place], dense[key], fallback)
        about[key]["thresholds"] = [float(value) for value in found]
    about["note"] = f"Thresholds are ours: of the best F1 on the split {options.split}, {len(place)} videos."
    write_json(options.calibrate, about)


if __name__ == "__main__":
    cli.run(main)
