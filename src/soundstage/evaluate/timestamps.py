"""Score one pretrained model on HEAR's tasks of time stamps, which ask for more than its windows are made for.

python -m soundstage.evaluate.timestamps --model work/pretrain/dubs/0/model.pt \\
    --tasks dcase2016=data/hear/tasks/dcase2016_task2-hear2021-full --out work/evaluate/dubs/0/timestamps.json

Embeddings come from overlapping windows of the tower's own length, one every --hop-ms, each centred on its time stamp
(`soundstage.evaluate.hear_api`): events of a fraction of a second are looked at through seconds. HEAR's probe says for
each time stamp which events go on; runs of them, smoothed, are events, scored by their onsets as sed_eval does.
Folders are HEAR's: <split>.json gives [{label, start, end}] in ms for each file. Early stopping and smoothing are those
of task_metadata.json, or HEAR's usual ones; of several folds the first searches the probe's setting for all.
The folder OUT.part keeps the embeddings of a file (3 kB per time stamp of an S tower) until the result is written, so
that the next call after an interruption goes on.
"""

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from soundstage import cli
from soundstage.errors import UserError
from soundstage.evaluate import decode, hear_api, mlp, onsets, resume
from soundstage.evaluate.lists import rows
from soundstage.evaluate.roles import TEST, named, rotate
from soundstage.files import read_json, sha256, write_json
from soundstage.recipe import recipe

USUAL_MEDIAN_MS, USUAL_LEAST_MS = (250,), (125, 250)
BY_SCORE = dataclasses.replace(mlp.OFFICIAL, check_epochs=10)
BY_LOSS = dataclasses.replace(mlp.OFFICIAL, most_epochs=50, check_epochs=1)
NOTE = "outside of what the towers are made for: windows of seconds for events of a fraction of one"


@dataclasses.dataclass(frozen=True)
class Task:
    """A task: labels; files (name, path, number of its split); events {name: [(label, start, end)]} in ms.

    metrics: [(tolerance in ms, whether ends count)], the first leads; median_ms, least_ms: smoothings tried.
    """

    labels: tuple
    files: tuple
    events: dict
    roles: np.ndarray
    metrics: tuple
    protocol: mlp.Protocol
    median_ms: tuple
    least_ms: tuple


def main():
    """Read the flags, score every task, write."""
    parser = cli.parser(__doc__)
    parser.add_argument("--model", required=True, help="model.pt of a pretraining run")
    parser.add_argument("--tasks", nargs="+", required=True, metavar="NAME=FOLDER", help="HEAR's folders")
    parser.add_argument("--hop-ms", type=float, default=hear_api.HOP_MS, help="between two time stamps")
    parser.add_argument("--points", type=int, default=mlp.OFFICIAL.points, help="settings of the probe that are tried")
    parser.add_argument("--out", required=True, help="the JSON file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = hear_api.load_model(options.model, options.hop_ms)
    about = torch.load(options.model, map_location="cpu", weights_only=True)
    said = {"run": str(about["run"]), "seed": int(about["seed"]), "hop_ms": options.hop_ms, "note": NOTE}
    said["inputs"] = {options.model: sha256(options.model)}
    digest = said["inputs"][options.model]
    work = resume.beside(options.out, f"{digest} {options.hop_ms} {recipe('evaluate.timestamps')}")
    with threadpool_limits(1):
        entries = [
            {"benchmark": name, **entry, **said}
            for name, _, folder in (text.partition("=") for text in options.tasks)
            for entry in score(read(Path(folder)), model, name, options.points, work)
        ]
    write_json(options.out, entries)
    work.remove()


def read(folder):
    """Return the `Task` in one of HEAR's folders; UserError for a task of whole clips or unknown metrics."""
    about = read_json(folder / "task_metadata.json")
    metrics = tuple(filter(None, map(_metric, about["evaluation"])))
    if about.get("embedding_type") != "event" or not metrics:
        what = f"{about.get('embedding_type')}, {', '.join(about['evaluation'])}"
        raise UserError(f"expected a task of time stamps scored by onsets, found {what}", folder)
    listed = rows(folder / "labelvocabulary.csv", ("idx", "label"))
    labels = tuple(row["label"] for row in sorted(listed, key=lambda row: int(row["idx"])))
    names = sorted(path.stem for path in folder.glob("*.json") if re.fullmatch(r"fold\d+|train|valid|test", path.stem))
    files, events = [], {}
    for number, split in enumerate(names):
        for name, found in sorted(read_json(folder / f"{split}.json").items()):
            files.append((f"{split}/{name}", folder / "48000" / split / name, number))
            events[files[-1][0]] = [_event(one, labels, folder / f"{split}.json") for one in found]
    where = [number for _, _, number in files]
    roles = named([names[number] for number in where]) if "test" in names else rotate(where)
    grid = about.get("evaluation_params", {}).get("event_postprocessing_grid", {})
    return Task(
        labels,
        tuple(files),
        events,
        roles,
        metrics,
        BY_SCORE if about.get("use_scoring_for_early_stopping", True) else BY_LOSS,
        tuple(grid.get("median_filter_ms", USUAL_MEDIAN_MS)),
        tuple(grid.get("min_duration", USUAL_LEAST_MS)),
    )


def _metric(name):
    found = re.fullmatch(r"event_onset_(offset_)?(\d+)ms(_20perc)?_fms", name)
    return (float(found[2]), bool(found[1])) if found else None


def _event(entry, labels, path):
    if str(entry["label"]) not in labels:
        raise UserError(f"label {entry['label']!r} is not in the vocabulary", path)
    return str(entry["label"]), float(entry["start"]), float(entry["end"])


def score(task, model, name, points, leftovers=resume.NOWHERE):
    """Yield an entry per metric: metric, value and per_fold in percent, n = true events of the test files.

    leftovers: where embeddings wait for a later call.
    """
    paths = [path for _, path, _ in task.files]
    embedded = [embed_once(path, model, leftovers) for path in cli.progress(paths, len(paths), name, "files")]
    times = [found for _, found in embedded]
    features, targets = mlp.placed(np.concatenate([found for found, _ in embedded]), going_on(task, times))
    del embedded  # another copy of a gigabyte

    def rows(role):
        return Frames(task, times, features, targets, role)

    protocol = dataclasses.replace(task.protocol, points=points)
    per_fold = [tested(data, best.net) for data, _, best in mlp.rotations(rows, task.roles, protocol)]
    names = [file[0] for role in task.roles for file, one in zip(task.files, role, strict=True) if one == TEST]
    for column, (tolerance, ends) in enumerate(task.metrics):
        values = [fold[column] for fold in per_fold]
        metric = f"onset{'_and_end' * ends}_f_{tolerance:g}ms_percent"
        count = sum(len(task.events[name]) for name in names)
        yield {"metric": metric, "value": float(np.mean(values)), "per_fold": values, "n": count}


def embed_once(path, model, leftovers):
    """Return what `embed` does, or what an earlier call left of the same file."""
    name = hashlib.sha256(json.dumps(resume.stamp(path)).encode()).hexdigest()[:16]
    found = leftovers.get(name)
    if found is None:
        embeddings, times = embed(path, model)
        found = {"embeddings": embeddings, "times": times}
        leftovers.put(name, **found)
    return found["embeddings"], found["times"]


def embed(path, model):
    """Return ((times, dim) float32 embeddings, (times,) ms) of one file."""
    sound = torch.from_numpy(decode.read_sound(path))[None]
    found, times = hear_api.get_timestamp_embeddings(sound, model)
    return found[0].cpu().numpy(), times[0].numpy()


def going_on(task, times):
    """Return (time stamps of all files, labels) uint8: which events go on at each of them."""
    names = [name for name, _, _ in task.files]
    listed = zip(names, times, strict=True)
    return np.concatenate([onsets.frames(task.events[name], found, task.labels) for name, found in listed])


def tested(data, net):
    """Return the metrics' values on the test files of a rotation, smoothed as is best for the validation files."""
    valid = data.said(mlp.predict([net], data.x[data.valid], False)[0], data.valid_files)
    # the kit sorts (value, smoothing) and takes the last: the stronger smoothing among equals
    smoothing = max(data.smoothings, key=lambda one: (data.value(valid, one, data.valid_files), one))
    said = data.said(mlp.predict([net], data.x[data.test], False)[0], data.test_files)
    return [data.value(said, smoothing, data.test_files, metric) for metric in data.task.metrics]


class Frames(mlp.Rows):
    """The time stamps of one rotation as rows of `soundstage.evaluate.mlp`, scored by the events that they make.

    times: [(times,) ms] of the task's files; features, targets: their time stamps one file after the other.
    """

    def __init__(self, task, times, features, targets, role):
        self.task, self.times = task, times
        super().__init__(features, targets, np.repeat(role, [len(found) for found in times]), "")
        self.multiclass = False
        self.valid_files, self.test_files = (np.flatnonzero(role == wanted) for wanted in (mlp.VALID, TEST))
        self.smoothings = [(median, least) for median in task.median_ms for least in task.least_ms]

    def score(self, scores):
        """Return the first metric on the validation files by their best smoothing, or minus the loss."""
        if self.task.protocol.check_epochs == BY_LOSS.check_epochs:
            truth = self.y[self.valid].cpu().double()
            return -float(torch.nn.functional.binary_cross_entropy(torch.from_numpy(scores), truth))
        said = self.said(scores, self.valid_files)
        return max(self.value(said, one, self.valid_files) for one in self.smoothings)

    def said(self, scores, files):
        """Return [(times, labels)] probabilities of files, whose rows lie one after the other in `scores`."""
        ends = np.cumsum([len(self.times[file]) for file in files])
        return np.split(scores, ends[:-1])

    def value(self, said, smoothing, files, metric=None):
        """Return one metric (default: the first) of what was said about files, smoothed; 0 without any event."""
        names = [self.task.files[file][0] for file in files]
        found = {
            name: onsets.events(part, self.times[file], self.task.labels, *smoothing)
            for name, file, part in zip(names, files, said, strict=True)
        }
        value = onsets.f_percent(
            found, {name: self.task.events[name] for name in names}, *(metric or self.task.metrics[0])
        )
        return 0.0 if np.isnan(value) else value


if __name__ == "__main__":
    cli.run(main)
