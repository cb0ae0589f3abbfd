"""The steps of a training: AdamW, warm-up, cosine, clipping; alone or as one of many processes."""

import contextlib
import functools
import math
import signal
import time

import numpy as np
import torch

from soundstage.cli import say
from soundstage.errors import UserError
from soundstage.pretrain import cached, learner, objective, whole_batch
from soundstage.pretrain.gradients import add_up
from soundstage.pretrain.records import is_logged
from soundstage.units import rng_of, seed_of


class Loop:
    """Steps of AdamW with warm-up, cosine and clipping, from a checkpoint or from the start.

    validate() -> {split: recalls}, called every `validation_steps`, by all processes at the same time.
    """

    def __init__(self, student, feed, records, settings, seed, group, validate=None):
        self.student, self.feed, self.records = student, feed, records
        self.settings, self.seed, self.group = settings, seed, group
        self.validate, self.done = validate, 0
        groups = learner.parameter_groups(student, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
        student.contrast = contrast_of(settings.engine, group)
        if settings.engine.piece_clips:
            for name, tower in student.backbone.items():
                cached.check(tower, name)

    def restore(self, state):
        """Go on from the `state` of a checkpoint; comes before `run`."""
        self.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.feed.restore(state["feeds"][self.group.rank])
        self.done = state["step"]
        self.say(f"goes on from the checkpoint after step {self.done}")

    def run(self, save):
        """Train to the last step; save(state) writes a checkpoint, always one after the last step."""
        with StopSignal() as stop:
            for step in range(self.done, self.settings.steps):
                begun = time.monotonic()
                measured, seen, waited = self.step(step)
                self.done = step + 1
                speed = {"seconds": time.monotonic() - begun, "waited_seconds": waited}
                self.records.step(self.done, self.settings, measured, self.clips_of_a_step(), seen, speed)
                self.validated()
                ending, asked = self.group.highest(stop.asked), self.group.highest(int(stop.save))
                stop.save = False
                if ending or asked or self.done % self.settings.checkpoint_steps == 0 or self.ended():
                    state = self.state()
                    if self.group.first:
                        self.records.flush()  # what a checkpoint follows must not be lost with the process
                        save(state)
                if ending:
                    self.group.highest(0)  # until the first has saved: who ends may end all
                    self.say(f"stopped by a signal, saved after step {self.done}")
                    raise SystemExit(128 + ending)

    def ended(self):
        """Return whether the last step has been taken."""
        return self.done == self.settings.steps

    def validated(self):
        """Record the retrieval on validation films where it is due; the end measures it anyway."""
        every = self.settings.validation_steps
        if not every or self.done % every or self.ended():
            return
        found = self.validate()
        if found:
            self.records.add({"step": self.done, "retrieval": found})
        else:
            self.say("no validation windows, so no retrieval is measured")

    def say(self, text):
        """Say something once for all processes."""
        if self.group.first:
            say(f"{self.records.label}: {text}")

    def clips_of_a_step(self):
        """Return how many clips, of all processes, one step sees."""
        return self.feed.batch * self.settings.engine.accumulate_batches

    def step(self, step):
        """Take one optimiser step; return (floats by name, tensors by name, seconds without data)."""
        settings = self.settings
        rank = (self.group.rank,) if self.group.rank else ()
        torch.manual_seed(seed_of(self.seed, "step", step, *rank))
        rate = learning_rate(step, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss, terms, embedded, waited = self.gradients(step)
        add_up(self.student)
        norm = torch.nn.utils.clip_grad_norm_(self.student.parameters(), settings.clip_norm)
        measured = {
            "loss": loss,
            **{f"loss_{name}": value for name, value in terms.items()},
            "temperature": 1 / self.student.scale().item(),
            "learning_rate": rate,
            "gradient_norm": norm.item(),
            "variance": learner.variance(embedded),
        }
        self.check(step, measured)
        self.optimizer.step()
        self.student.limit_temperature()
        return measured, self.seen(step + 1, embedded), waited

    def seen(self, done, embedded):
        """Return the tensors by name that are shown as histograms, none but where a line is written."""
        if not self.group.first or not is_logged(done, self.settings):
            return {}
        same, other = learner.similarities(embedded)
        found = {"similarity_same_clip": same, "similarity_other_clip": other}
        return {name: values for name, values in found.items() if len(values)}

    def gradients(self, step):
        """Add up the gradients of the batches of a step; return (loss, terms, embeddings, seconds)."""
        count = self.settings.engine.accumulate_batches
        loss, terms, embedded, waited = 0.0, {}, None, 0.0
        for number in range(count * step, count * (step + 1)):
            begun = time.monotonic()
            views = self.feed.views_at(number)
            waited += time.monotonic() - begun
            part, found, embedded = self.one_batch(views, count, number)
            loss += part / count
            terms = {name: terms.get(name, 0.0) + value.item() / count for name, value in found.items()}
        return loss, terms, embedded, waited

    def one_batch(self, views, count, number):
        """Send the gradient of the loss of batch `number` over `count` into the weights."""
        settings, pieces = self.settings, []

        def embed(name, batch):
            tower, draws = self.student.backbone[name], self.draws(name, len(batch) // 2, number)
            if not settings.engine.piece_clips:
                return tower(batch) if draws is None else tower(batch, draws)
            pieces.append(cached.Pieces(tower, batch, settings.engine.piece_clips, self.autocast, draws))
            return pieces[-1].embedded

        weights = settings.run.lambda_video, settings.run.lambda_audio
        with self.autocast():
            loss, terms, embedded = self.student(views, *weights, embed)
        (loss if count == 1 else loss / count).backward()
        for piece in pieces:
            piece.backward()
        return loss.item(), terms, embedded

    def draws(self, name, clips, number):
        """Return drop path's draws for both views of this process's clips, (2 clips, layers), or None.

        They follow from the clip's place in the whole batch `number`, however that is spread or cut.
        """
        layers = getattr(self.student.backbone[name], "drop_paths", 0)
        if not layers:
            return None
        shape = (2, clips * self.group.processes, layers)
        whole = rng_of(self.seed, "drop path", name, number).random(shape, np.float32)
        mine = whole[:, clips * self.group.rank : clips * (self.group.rank + 1)]
        return torch.from_numpy(mine.reshape(-1, layers)).to(self.group.device)

    def autocast(self):
        """Return the context in which towers and heads compute: bfloat16 on cuda."""
        if self.group.device.type == "cuda":
            return torch.autocast("cuda", torch.bfloat16)
        return contextlib.nullcontext()

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

    def state(self):
        """Return all that the rest of the training depends on.

        Every draw of a step is named by (seed, step), so that no generator's state is needed; of what
        feeds the training only the position and what it found broken.
        """
        return {
            "step": self.done,
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.records.history,
            "feeds": self.group.all_of(self.feed.state()),
        }


def contrast_of(engine, group):
    """Return l(x, y): in one piece where one process on a CPU holds all, otherwise in strips."""
    if group.processes == 1 and engine.loss_strip_clips == 0 and group.device.type == "cpu":
        return objective.contrast
    return functools.partial(whole_batch.contrast, strip=engine.loss_strip_clips or whole_batch.STRIP)


def learning_rate(step, settings):
    """Return the rate of a step: linear from 0 over the warm-up, then half a cosine down to 0."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    share = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.learning_rate * (1 + math.cos(math.pi * share)) / 2


class StopSignal:
    """Turns signals into requests that are looked at between two steps.

    SIGTERM and SIGINT: save and stop; SIGUSR1: save and go on.
    """

    def __init__(self):
        self.asked, self.save = 0, False

    def __enter__(self):
        handlers = {signal.SIGTERM: self._stop, signal.SIGINT: self._stop, signal.SIGUSR1: self._save}
        self.before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        return self

    def _stop(self, number, _frame):
        self.asked = number

    def _save(self, _number, _frame):
        self.save = True

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)
