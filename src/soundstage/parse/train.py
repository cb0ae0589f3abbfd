"""Train one variant of the event parser with each of its seeds, and score it on the test videos.

    python -m soundstage.parse.train --annotations ../shared/llp --variant valor --seeds 0 1 2 3 4 \\
        --features train.npz val.npz test.npz --labels labels-train.npz --out-folder work/parse/valor \\
        --settings '{"variant": {"objective": "harvested", "labels": "clip_clap"}}'

The seeds share one process and one load of the features. For each seed it writes, into a folder of
its own: model.pt (weights of the best epoch), predictions.parquet and scores.json of the test split,
metrics.jsonl (a line an epoch), and while it runs checkpoint/. A killed training goes on from its
checkpoint and ends with the same bits; a checkpoint of other settings, code or inputs is refused.
"""

import dataclasses
import json
import math
from pathlib import Path

import torch

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import sha256, write_json, write_text
from soundstage.parse import annotations, judge, material, predictions
from soundstage.parse.losses import loss
from soundstage.parse.networks import Output, network
from soundstage.parse.optimise import better, learning_rate, optimiser
from soundstage.parse.settings import Settings
from soundstage.pretrain import checkpoint
from soundstage.recipe import recipe
from soundstage.units import rng_of, seed_of

SPLITS = ("train", "val", "test")
BATCH_HELD_OUT = 256  # videos of a batch without gradients: memory, not results, depends on it


def main():
    """Read the command line and train every seed."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="folder with LLP's AVVP_*.csv or AVE's files")
    parser.add_argument("--features", nargs=3, required=True, metavar=SPLITS, help=".npz files of pack")
    parser.add_argument("--labels", help=".npz file of the training videos' harvested labels")
    parser.add_argument("--variant", required=True, help="name of the variant, for the records")
    parser.add_argument("--seeds", nargs="+", type=int, required=True, help="one training each")
    parser.add_argument("--out-folder", required=True, type=Path, help="gets a folder per seed")
    parser.add_argument("--fresh", action="store_true", help="forget checkpoints and start anew")
    cli.add_settings(parser, Settings)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    variant = options.settings.variant
    if variant.objective == "harvested" and not options.labels:
        raise UserError("the objective harvested needs --labels", options.variant)
    inputs = input_hashes(options)
    features = dict(zip(SPLITS, options.features, strict=True))
    parts = material.load(options.annotations, features, options.labels, variant)
    for seed in options.seeds:
        run(parts, seed, options, inputs)


def input_hashes(options):
    """Return {path: SHA-256} of every file that the outcome depends on."""
    paths = [*annotations.files(options.annotations), *options.features, *([options.labels] if options.labels else [])]
    return {str(path): sha256(path) for path in paths}


def run(parts, seed, options, inputs):
    """Train one seed, or finish it from its checkpoint, and write all its files."""
    settings, folder = options.settings, options.out_folder / str(seed)
    fingerprint = {
        "settings": dataclasses.asdict(settings),
        "variant": options.variant,
        "seed": seed,
        "code": recipe("parse.train"),
        "inputs": {Path(path).name: digest for path, digest in inputs.items()},
    }
    if options.fresh:
        checkpoint.remove(folder / "checkpoint")
    training = Training(parts, settings, seed, f"{options.variant}, seed {seed}")
    state = checkpoint.load(folder / "checkpoint", json.loads(json.dumps(fingerprint)))
    training.run(state, lambda found: checkpoint.save(folder / "checkpoint", fingerprint, found))
    about = {"variant": options.variant, "seed": seed}
    finish(training, parts, folder, about, inputs)
    checkpoint.remove(folder / "checkpoint")


def untrained(parts, variant, seed):
    """Return a variant's network before its first step; input widths are those of the features."""
    torch.manual_seed(seed_of(seed, "initial"))
    dims = dict(
        zip(("audio_dim", "visual_dim", "motion_dim"), (x.shape[2] for x in parts["train"].inputs), strict=True)
    )
    inner = {key: getattr(variant, key) for key in ("width", "layers", "heads", "feed_forward")}
    return network(variant.network, **dims, **inner, classes=parts["train"].weak.shape[1])


class Training:
    """A network, its optimiser and the best weights so far."""

    def __init__(self, parts, settings, seed, label):
        self.parts, self.settings, self.variant = parts, settings, settings.variant
        self.seed, self.label = seed, label
        self.net = untrained(parts, self.variant, seed)
        self.optimiser = optimiser(self.net.parameters(), self.variant)
        self.best = {"epoch": 0, "score": -math.inf, "weights": self._weights()}
        self.history = []

    def run(self, state, save):
        """Train to the last epoch, from a checkpoint's state or from the start; `save` writes one."""
        done = self._resume(state) if state else 0
        epochs = range(done + 1, self.variant.epochs + 1)
        for epoch in cli.progress(epochs, len(epochs), self.label, "epochs"):
            self.epoch(epoch)
            if epoch % self.settings.checkpoint_epochs == 0 and epoch < self.variant.epochs:
                save(self._state(epoch))

    def epoch(self, epoch):
        """Train one pass and keep the weights if they are the best on the validation videos."""
        rate = learning_rate(epoch, self.variant)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        mean = self._steps(epoch)
        part = self.parts["val"]
        found = probabilities(predict(self.net, part))
        score_now = judge.validation_score(found, part.filenames, part.truth, self.settings.rule)
        if better(score_now, self.best["score"], self.variant):
            self.best = {"epoch": epoch, "score": score_now, "weights": self._weights()}
        line = {"epoch": epoch, "learning_rate": rate, "loss": mean}
        line[f"val_{judge.selection(part.truth)}"] = score_now
        self.history.append(json.dumps(line))

    def _steps(self, epoch):
        """Take the steps of one pass; return the mean loss. The last batch may be smaller."""
        self.net.train()
        torch.manual_seed(seed_of(self.seed, "epoch", epoch))
        videos = len(self.parts["train"].filenames)
        order = torch.from_numpy(rng_of(self.seed, "order", epoch).permutation(videos))
        total = 0.0
        for chosen in order.split(self.variant.batch_videos):
            found = self.step(chosen)
            total += found * len(chosen)
        if not math.isfinite(total):
            raise UserError(f"epoch {epoch}: the loss is not finite", self.label, "lower the learning rate")
        return total / videos

    def step(self, chosen):
        """Take one optimiser step on training videos `chosen` (n,) int; return the loss."""
        part, variant = self.parts["train"], self.variant
        audio, visual = (None if x is None else x[chosen] for x in (part.audio, part.visual))
        output = self.net(*(x[chosen] for x in part.inputs))
        value = loss(variant.objective, output, part.weak[chosen], audio, visual)
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()
        if variant.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), variant.clip_norm)
        self.optimiser.step()
        return value.item()

    def _weights(self):
        return {key: value.clone() for key, value in self.net.state_dict().items()}

    def _state(self, epoch):
        """Return all that the rest of the training depends on: draws are named by seed and epoch."""
        return {
            "epoch": epoch,
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "history": self.history,
        }

    def _resume(self, state):
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.best, self.history = state["best"], list(state["history"])
        cli.say(f"{self.label}: goes on from the checkpoint after epoch {state['epoch']}")
        return state["epoch"]


def predict(net, part):
    """Return a network's `Output` on all videos of a part, without dropout."""
    net.eval()
    videos = torch.arange(len(part.filenames))
    with torch.inference_mode():
        found = [net(*(x[chosen] for x in part.inputs)) for chosen in videos.split(BATCH_HELD_OUT)]
    return Output(*(torch.cat(values) for values in zip(*found, strict=True)))


def probabilities(output):
    """Return (segment (n, 10, 2, c), video (n, c), modality (n, 2, c)) float32 arrays of an `Output`."""
    modality = torch.stack([output.audio_probability, output.visual_probability], dim=1)
    found = torch.sigmoid(output.segment_logits), output.video_probability, modality
    return tuple(value.numpy() for value in found)


def finish(training, parts, folder, about, inputs):
    """Write model.pt, predictions.parquet, scores.json and metrics.jsonl of a training's best epoch."""
    best, part = training.best, parts["test"]
    training.net.load_state_dict(best["weights"])
    found = probabilities(predict(training.net, part))
    table = predictions.to_table(part.filenames, *found, part.truth.classes)
    predictions.write(folder / "predictions.parquet", table)
    size = dataclasses.asdict(training.net.size)
    checkpoint.save_bytes(folder / "model.pt", {"model": best["weights"], "size": size, **about})
    write_text(folder / "metrics.jsonl", "".join(line + "\n" for line in training.history))
    write_json(
        folder / "scores.json",
        about
        | {"best_epoch": best["epoch"], f"val_{judge.selection(part.truth)}": best["score"]}
        | {"inputs": inputs}
        | {"videos": {split: len(parts[split].filenames) for split in SPLITS}}
        | {"dropped": {split: list(parts[split].dropped) for split in SPLITS}}
        | judge.results(found, part.filenames, part.truth),
    )


if __name__ == "__main__":
    cli.run(main)
