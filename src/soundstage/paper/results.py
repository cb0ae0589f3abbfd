"""The scores that tables are built from: read from metrics.json files, checked, complete."""

import dataclasses
import math
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow.parquet

from soundstage.errors import UserError
from soundstage.evaluate.schema import METRICS
from soundstage.evaluate.tasks import entry_names
from soundstage.files import read_json, sha256

SHOWN = 20  # most lines of a list in a message


@dataclasses.dataclass(frozen=True)
class Score:
    """One score of one run and seed, with the file that it was read from."""

    run: str
    seed: int
    benchmark: str
    group: str
    metric: str
    features: str
    probe: str
    value: float
    chance: float
    n: int
    source: str
    sha256: str
    majority: float | None = None  # the metric of the constant that suits the training clips best, where it is known


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What one run and seed said about a benchmark's test clips, sorted by fold and clip.

    clips: (n,) str; folds: (n,) int; correct: (n,) bool; scores, labels: (n, classes).
    """

    clips: np.ndarray
    folds: np.ndarray
    correct: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def read_scores(paths):
    """Return the primary `Score`s of metrics.json files; UserError names each that is wrong."""
    validator = jsonschema.Draft202012Validator(METRICS)
    scores, wrong = [], []
    for path in sorted(map(str, paths)):
        entries = read_json(path)
        error = next(iter(sorted(validator.iter_errors(entries), key=lambda e: str(e.path))), None)
        if error is not None:
            where = "/".join(map(str, error.absolute_path)) or "top"
            wrong.append(f"{path}: {where}: {error.message[:200]}")
            continue
        digest = sha256(path)
        scores += [_score(entry, path, digest) for entry in entries if entry["primary"]]
    if wrong:
        raise UserError("metrics files are not as expected:\n" + _listed(wrong))
    return scores


def _score(entry, path, digest):
    keys = [field.name for field in dataclasses.fields(Score)]
    values = {**entry, "source": path, "sha256": digest}
    return Score(**{key: values[key] for key in keys if key in values})


def check_complete(scores, runs, seeds, benchmarks=()):
    """Return {(run, seed, benchmark): Score}; UserError lists what is missing, double or no number.

    benchmarks: the names expected; empty means every one that any of the runs has. LVU stands for those of its
    tasks that any of the runs has.
    """
    found = dict.fromkeys(score.benchmark for score in scores)
    names = list(dict.fromkeys(entry for name in benchmarks for entry in entry_names(name, found))) or list(found)
    table, wrong = {}, []
    for score in scores:
        key = (score.run, score.seed, score.benchmark)
        if key in table:
            wrong.append(f"{_spelled(key)}: in {table[key].source} and in {score.source}")
        if not (math.isfinite(score.value) and math.isfinite(score.chance)):
            wrong.append(f"{_spelled(key)}: the score is {score.value}, chance {score.chance}")
        table[key] = score
    wanted = [(run, seed, name) for run in runs for seed in seeds for name in names]
    wrong += [f"{_spelled(key)}: missing" for key in wanted if key not in table]
    wrong += _disagreements(table, wanted)
    if wrong:
        fix = "run `snakemake evaluate`, then the table again; nothing was written"
        raise UserError(
            f"the table cannot be built, {len(wrong)} problems:\n{_listed(wrong)}", None, fix
        )
    return {key: table[key] for key in wanted}


def _disagreements(table, wanted):
    """Return a line per score whose benchmark is not what the others of its name are."""
    first, lines = {}, []
    for key in wanted:
        if key in table:
            score = table[key]
            facts = (score.group, score.metric, score.features, score.probe, score.chance, score.n)
            if first.setdefault(key[2], facts) != facts:
                lines.append(f"{_spelled(key)}: {facts}, others have {first[key[2]]}")
    return lines


def _spelled(key):
    run, seed, benchmark = key
    return f"{run}, seed {seed}, {benchmark}"


def _listed(lines):
    more = [f"  ... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([f"  {line}" for line in lines[:SHOWN]] + more)


def is_share(score):
    """Return whether a score is in percent, the more the better: what group means and draws of clips are made of."""
    return score.metric.endswith("_percent")


def read_predictions(scores):
    """Return {(run, seed, benchmark): Predictions}, read from predictions.parquet beside metrics.

    scores: what `check_complete` returned; errors of regressions have no predictions. UserError where a
    file is missing, or where two runs were not tested on the same clips.
    """
    result = {}
    for source in dict.fromkeys(score.source for score in scores.values()):
        table = _read_table(Path(source).with_name("predictions.parquet"))
        for key, score in scores.items():
            if score.source == source and is_share(score):
                result[key] = _predictions(table, score)
    for (run, seed, benchmark), found in result.items():
        other = next(value for key, value in result.items() if key[2] == benchmark)
        same = np.array_equal(found.clips, other.clips) and np.array_equal(found.folds, other.folds)
        if not same or not np.array_equal(found.labels, other.labels):
            raise UserError(
                f"{_spelled((run, seed, benchmark))}: tested on other clips than others"
            )
    return result


def _read_table(path):
    try:
        return pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise UserError(f"cannot read the predictions ({error})", path) from None


def _predictions(table, score):
    """Return the `Predictions` of one benchmark from a predictions table."""
    chosen = np.array(table["benchmark"].to_pylist()) == score.benchmark
    chosen &= np.array(table["features"].to_pylist()) == score.features
    part = table.filter(chosen)
    if part.num_rows != score.n:
        where = Path(score.source).with_name("predictions.parquet")
        raise UserError(
            f"{score.benchmark}: expected {score.n} clips, found {part.num_rows}", where
        )
    part = part.sort_by([("fold", "ascending"), ("clip", "ascending")])
    return Predictions(
        np.array(part["clip"].to_pylist()),
        part["fold"].to_numpy(),
        part["correct"].to_numpy(zero_copy_only=False).astype(bool),
        np.array(part["scores"].to_pylist(), np.float64),
        np.array(part["labels"].to_pylist(), np.int8),
    )
