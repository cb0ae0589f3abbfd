"""Score one pretrained model on all benchmarks: embed once, probe every fold.

python -m soundstage.evaluate.run --model work/pretrain/dubs/0/model.pt \\
    --inputs work/evaluate/inputs/*.npz --out work/evaluate/dubs/0/metrics.json

Beside metrics.json it writes predictions.parquet (a line per test clip) and the folder
embeddings/, which the next call reads again when weights, inputs and code are the same. An interrupted
call goes on from it, and from the benchmarks that it had scored.
"""

from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from soundstage import cli
from soundstage.errors import UserError
from soundstage.evaluate import frozen, protocols, scored, store, tasks
from soundstage.evaluate.embeddings import embed
from soundstage.evaluate.metrics import LOWER_IS_BETTER, METRICS, chance_percent, correct, majority
from soundstage.evaluate.roles import UNUSED, check_roles
from soundstage.evaluate.settings import Settings
from soundstage.files import sha256, write_json
from soundstage.model.settings import Inputs
from soundstage.recipe import recipe
from soundstage.settings import build, dumps

WORKERS = "threads that decode what prepare did not keep, and of the probes' products, which more round otherwise"


def main():
    """Read the flags, embed, probe, write."""
    parser = cli.parser(__doc__)
    parser.add_argument("--model", required=True, help="model.pt of a pretraining run")
    parser.add_argument("--inputs", nargs="+", required=True, help=".npz files of prepare")
    parser.add_argument("--out", required=True, help="the metrics.json to write")
    parser.add_argument("--predictions", help="default: predictions.parquet beside it")
    parser.add_argument("--run", help="the run that the model must be of (default: any)")
    parser.add_argument("--seed", type=int, help="the seed that the model must be of")
    parser.add_argument("--workers", type=int, default=1, help=WORKERS)
    cli.add_settings(parser, Settings)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    towers = frozen.load(arguments.model)
    for flag, wanted, found in (
        ("--run", arguments.run, towers.run),
        ("--seed", arguments.seed, towers.seed),
    ):
        if wanted not in (None, found):
            raise UserError(f"expected a model of {flag} {wanted}, found {found}", arguments.model)
    predicted = arguments.predictions or Path(arguments.out).with_name("predictions.parquet")
    with threadpool_limits(arguments.workers):
        inputs = arguments.model, arguments.inputs
        evaluate(towers, *inputs, arguments.out, predicted, arguments.settings, arguments.workers)


def evaluate(towers, model, inputs, out, predicted, settings, workers=1):
    """Write metrics.json (`soundstage.evaluate.schema`) to `out`, predictions to `predicted`.

    towers: `frozen.Frozen`, read from the file `model`; inputs: .npz files of prepare; workers: threads
    that decode what prepare did not keep.
    """
    out = Path(out)
    model_hash, how = sha256(model), f"{recipe('evaluate.run')} {dumps(settings)}"
    entries, tables = [], []
    label = f"evaluate {towers.run}, seed {towers.seed}"
    for path in cli.progress(inputs, len(inputs), label, "benchmarks"):
        decoded, digest = store.load(path), sha256(path)
        check_inputs(decoded, towers, path)
        name, fingerprint = decoded.about["benchmark"], f"{model_hash} {digest} {how}"
        done = scored.kept(out.parent, name, fingerprint)
        if done is None:
            features = embed(towers, decoded, (model_hash, digest), out.parent / "embeddings", settings, workers)
            found, said = score(decoded, features, settings)
            sources = {str(model): model_hash, str(path): digest}
            about = {"run": towers.run, "seed": towers.seed, "inputs": sources}
            done = [{**entry, **about} for entry in found], scored.table(said)
            scored.keep(out.parent, name, fingerprint, *done)
        entries += done[0]
        tables.append(done[1])
    scored.write_predictions(predicted, tables)
    write_json(out, entries)
    scored.forget(out.parent)


def check_inputs(decoded, towers, path):
    """Raise a UserError when a benchmark was decoded into windows other than the towers read."""
    if build(Inputs, decoded.about["inputs"]) != towers.settings.inputs:
        raise UserError(
            "the benchmark was decoded with other model.inputs than the towers were trained with",
            path,
            "run soundstage.evaluate.prepare again with the settings of this model",
        )


def score(decoded, features, settings):
    """Return (entries of metrics.json without run, seed and inputs; lines of predictions).

    features: what `embed` returned. With sound and picture there are three entries, audio, video
    and both (side by side); both is the primary one. Where a benchmark has several probes, the first one's is.
    """
    features, keep, broken = usable(decoded, features)
    features = {name: values[keep] for name, values in features.items()}
    if len(features) == 2:
        features["both"] = np.concatenate([features["audio"], features["video"]], axis=1)
    entries, lines = [], []
    for task in tasks.split(decoded.about, decoded.labels[keep], decoded.roles[:, keep]):
        found, said = score_task(task, features, decoded.clips[keep], decoded.about, keep, settings)
        entries += [entry | {"dropped": decoded.about["dropped"] + broken} for entry in found]
        lines += said
    return entries, lines


def score_task(task, features, clips, about, keep, settings):
    """Return (entries, lines) of one task: (name, metric, labels, roles) of the clips kept.

    keep: their numbers in the decoded benchmark that `about` describes.
    """
    benchmark, metric, labels, roles = task
    if "tasks" in about:
        mine = (roles != UNUSED).any(axis=0)
        features = {name: values[mine] for name, values in features.items()}
        clips, labels, roles, keep = clips[mine], labels[mine], roles[:, mine], keep[mine]
    check_roles(roles, benchmark, len(about["dropped"]))
    groups = np.array(about["speakers"])[keep] if about.get("speakers") else None
    wanted = settings.probes.get(about["benchmark"], (settings.probe,))
    probes = list(dict.fromkeys(protocols.used(probe, metric) for probe in wanted))
    facts = {"benchmark": benchmark, "group": about["group"], "flagged": about["flagged"]}
    facts |= {"source": about["source"]} if about.get("source") else {}
    if "tasks" in about:
        facts["majority"] = float(np.mean([majority(metric, labels, role) for role in roles]))
    entries, lines = [], []
    for probe in probes:
        for name, values in features.items():
            folds = protocols.apply(probe, values, labels, roles, metric, settings, groups)
            known = {**facts, "features": name, "probe": probe, "speakers": heard(folds, groups)}
            first = probe == probes[0]
            for said in [metric, *about.get("more_metrics", ())]:
                primary = first and name == list(features)[-1] and said == metric
                entries.append({**known, "metric": said, "primary": primary, **summary(folds, labels, said)})
            if first and metric not in LOWER_IS_BETTER:
                lines += predictions(benchmark, name, folds, clips, labels)
    return entries, lines


def heard(folds, speakers):
    """Return whether who speaks in a test clip is "apart" from all other clips or "shared" by some, or "unknown"."""
    if speakers is None:
        return "unknown"
    shared = any(np.isin(speakers[fold.test], np.delete(speakers, fold.test)).any() for fold in folds)
    return "shared" if shared else "apart"


def usable(decoded, features):
    """Return (features without gaps, indices of the clips to keep, the others and why).

    A clip without sound in a benchmark that has pictures gets the mean embedding of all clips
    that have sound, those of the test among them; `prepare` has flagged it. A clip of which an
    embedding is not finite is left out.
    """
    filled, broken = {}, []
    owners = {"audio": decoded.log_mel_clip, "video": decoded.frames_clip}
    keep = np.ones(len(decoded.clips), bool)
    for name, values in features.items():
        present = np.isin(np.arange(len(values)), owners[name])
        finite = np.isfinite(values).all(axis=1)
        keep &= finite | ~present
        broken += [
            {"clip": str(clip), "reason": f"the {name} embedding is not finite"}
            for clip in decoded.clips[present & ~finite]
        ]
        filled[name] = values.copy()
        if (present & finite).any():
            filled[name][~present] = values[present & finite].mean(axis=0)
    return filled, np.flatnonzero(keep), broken


def summary(folds, labels, metric):
    """Return value, per_fold, n, chance and strengths of a probe's folds."""
    per_fold = [METRICS[metric](fold.scores, labels[fold.test]) for fold in folds]
    tested = np.concatenate([fold.test for fold in folds])
    return {
        "value": float(np.mean(per_fold)),
        "per_fold": per_fold,
        "n": len(tested),
        "chance": chance_percent(metric, labels[tested]),
        "strengths": [fold.strength for fold in folds],
    }


def predictions(benchmark, features, folds, clips, labels):
    """Return a dict per test clip and fold: scores and labels in the order of the classes."""
    return [
        {
            "benchmark": benchmark,
            "features": features,
            "clip": str(clips[index]),
            "fold": number,
            "correct": bool(hit),
            "scores": row.astype(np.float32),
            "labels": labels[index].astype(np.int8),
        }
        for number, fold in enumerate(folds)
        for index, row, hit in zip(fold.test, fold.scores, correct(fold.scores, labels[fold.test]), strict=True)
    ]


if __name__ == "__main__":
    cli.run(main)
