"""Train the audio and the video tower of one run with one seed.

    python -m soundstage.pretrain.train --inputs work/pretrain/inputs/*.npz --run dubs --seed 0 \\
        --out work/pretrain/dubs/0/model.pt --settings '{"run": {"views": "dubs"}}'

Writes model.pt (the towers), and beside it metrics.jsonl (a line every log_steps, the last one with
the held-out retrieval), retrieval.json, the TensorBoard folder tensorboard/, and while it runs
checkpoint/. A killed training goes on from its checkpoint and ends with the same bits; on SIGTERM
it saves one first. One thread, so that the weights do not depend on how many cores there are.
"""

import dataclasses
import math
import signal
from pathlib import Path

import numpy as np
import torch

from soundstage.cli import add_settings, parser, run, say
from soundstage.errors import UserError
from soundstage.files import write_json
from soundstage.pretrain import checkpoint, learner
from soundstage.pretrain.clips import content_id, load_clips
from soundstage.pretrain.feed import Feed
from soundstage.pretrain.memory import keep_freed_memory
from soundstage.pretrain.records import Records
from soundstage.pretrain.retrieval import evaluate
from soundstage.pretrain.settings import Settings
from soundstage.recipe import recipe
from soundstage.units import seed_of


def main():
    """Read the command line and train one run."""
    arguments = parser(__doc__)
    arguments.add_argument("--inputs", nargs="+", required=True, help=".npz files of prepare")
    arguments.add_argument("--run", required=True, help="name of the run, for the records")
    arguments.add_argument("--seed", type=int, required=True, help="seed of every draw")
    arguments.add_argument("--out", required=True, help="model.pt to be written")
    arguments.add_argument(
        "--fresh", action="store_true", help="forget a checkpoint and start from the first step"
    )
    add_settings(arguments, Settings)
    train(arguments.parse_args())


def train(options):
    """Train, evaluate the retrieval and write everything; `options` are the command line's."""
    one_thread()
    settings, seed = options.settings, options.seed
    folder = Path(options.out).parent
    fingerprint = {
        "settings": dataclasses.asdict(settings),
        "run": options.run,
        "seed": seed,
        "code": recipe("pretrain.train"),
        "inputs": {Path(path).name: content_id(path) for path in options.inputs},
    }
    if options.fresh:
        checkpoint.remove(folder / "checkpoint")
    state = checkpoint.load(folder / "checkpoint", fingerprint)
    corpus = load_clips(options.inputs, settings.model.inputs)
    feed = Feed(corpus.rows(np.flatnonzero(corpus.split == "train")), settings, seed)
    student = learner.initial(settings, seed, feed.plain_batches(settings.calibration_batches))
    records = Records(folder, f"{options.run}, seed {seed}", state["history"] if state else [])
    if settings.run.train:
        loop = Loop(student, feed, records, settings, seed)
        loop.run(state, lambda found: checkpoint.save(folder / "checkpoint", fingerprint, found))
    finish(student, corpus, records, options)
    checkpoint.remove(folder / "checkpoint")


def one_thread():
    """Make the outcome independent of the number of cores; comes before other torch calls."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a search for bugs, 5 % of a step
    keep_freed_memory()


def finish(student, corpus, records, options):
    """Evaluate the retrieval on the held-out films and write model.pt and the records."""
    settings = options.settings
    retrieval = evaluate(student, corpus, settings.run.views, settings.model.inputs)
    if not retrieval:
        say(f"{records.label}: no held-out windows, so no retrieval is measured")
    write_json(Path(options.out).with_name("retrieval.json"), retrieval)
    records.last({"step": settings.steps if settings.run.train else 0, "retrieval": retrieval})
    weights = {f"backbone.{name}": value for name, value in student.backbone.state_dict().items()}
    about = {"settings": dataclasses.asdict(settings), "run": options.run, "seed": options.seed}
    checkpoint.save_bytes(options.out, {"model": weights, **about})


class Loop:
    """Steps of AdamW with warm-up, cosine and clipping, from a checkpoint or from the start."""

    def __init__(self, student, feed, records, settings, seed):
        self.student, self.feed, self.records = student, feed, records
        self.settings, self.seed = settings, seed
        groups = learner.parameter_groups(student, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)

    def run(self, state, save):
        """Train to the last step; save(state) writes a checkpoint."""
        first = 0
        if state is not None:
            self.student.load_state_dict(state["student"])
            self.optimizer.load_state_dict(state["optimizer"])
            first = state["step"]
            say(f"{self.records.label}: goes on from the checkpoint after step {first}")
        with StopSignal() as stop:
            for step in range(first, self.settings.steps):
                measured = self.step(step)
                done = step + 1
                self.records.step(done, self.settings, measured, self.feed.batch)
                if stop.asked or done % self.settings.checkpoint_steps == 0:
                    save(self.state(done))
                if stop.asked:
                    say(f"{self.records.label}: stopped by a signal, saved after step {done}")
                    raise SystemExit(128 + stop.asked)

    def step(self, step):
        """Take one optimiser step; return what was measured on the way, floats by name."""
        settings = self.settings
        torch.manual_seed(seed_of(self.seed, "step", step))
        rate = learning_rate(step, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        weights = settings.run.lambda_video, settings.run.lambda_audio
        loss, terms, embedded = self.student(self.feed.views_at(step), *weights)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.student.parameters(), settings.clip_norm)
        measured = {
            "loss": loss.item(),
            **{f"loss_{name}": value.item() for name, value in terms.items()},
            "temperature": 1 / self.student.scale().item(),
            "learning_rate": rate,
            "gradient_norm": norm.item(),
            "variance": learner.variance(embedded),
        }
        self.check(step, measured)
        self.optimizer.step()
        return measured

    def check(self, step, measured):
        """Raise a UserError when the training has failed."""
        if not all(map(math.isfinite, measured.values())):
            raise UserError(
                f"step {step + 1}: {measured} is not finite",
                self.records.label,
                "lower pretrain.learning_rate or pretrain.clip_norm",
            )
        least = self.settings.collapse_variance
        if step >= self.settings.warmup_steps and measured["variance"] < least:
            raise UserError(
                f"step {step + 1}: all embeddings have become the same (variance "
                f"{measured['variance']:.2g}, expected {least} or more)",
                self.records.label,
                "lower pretrain.learning_rate, or raise pretrain.temperature or batch_clips",
            )

    def state(self, done):
        """Return all that the rest of the training depends on, after `done` steps.

        Order, languages and views of a step are drawn from (seed, step), so no more is needed.
        """
        return {
            "step": done,
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.records.history,
        }


def learning_rate(step, settings):
    """Return the rate of a step: linear from 0 over the warm-up, then half a cosine down to 0."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    share = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.learning_rate * (1 + math.cos(math.pi * share)) / 2


class StopSignal:
    """Turns SIGTERM and SIGINT into a request that is looked at between two steps."""

    def __init__(self):
        self.asked = 0

    def __enter__(self):
        self.before = {s: signal.signal(s, self._ask) for s in (signal.SIGTERM, signal.SIGINT)}
        return self

    def _ask(self, number, _frame):
        self.asked = number

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    run(main)
