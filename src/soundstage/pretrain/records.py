"""What a training says of itself: metrics.jsonl, TensorBoard, and lines for who watches."""

import json
import resource
import shutil
import time

import torch

from soundstage.cli import say
from soundstage.files import atomic

PROGRESS_SECONDS = 5.0


class Records:
    """metrics.jsonl, TensorBoard and the lines for the person who watches."""

    def __init__(self, folder, label, history):
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.label, self.history = folder, label, list(history)
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        self.board = SummaryWriter(folder / "tensorboard")
        for line in map(json.loads, self.history):
            self._show(line)
        self._write()
        self.said = time.monotonic()
        self.clips, self.seconds, self.waited = 0, 0.0, 0.0

    def step(self, done, settings, measured, clips, seen, speed):
        """Take note of one step: a line every log_steps, a word to the user now and then.

        measured: floats by name, for metrics.jsonl; seen: tensors by name, shown as histograms and
        by their mean; speed: seconds and waited_seconds of the step. What depends on the machine
        goes to TensorBoard and to the user alone, so that metrics.jsonl comes out the same again.
        """
        self.clips += clips
        self.seconds += speed["seconds"]
        self.waited += speed["waited_seconds"]
        if done % settings.log_steps == 0 or done == settings.steps:
            means = {name: values.mean().item() for name, values in seen.items()}
            self.add({"step": done, **measured, **means})
            for name, values in seen.items():
                self.board.add_histogram(name, values.cpu().numpy(), done)
        seconds = time.monotonic() - self.said
        if seconds >= PROGRESS_SECONDS or done == settings.steps:
            rate = self.clips / max(seconds, 1e-9)
            terms = [f"{k} {v:.3f}" for k, v in measured.items() if k.startswith("loss")]
            waited = 100 * self.waited / max(self.seconds, 1e-9)
            terms += [f"{rate:.3g} clips/s", f"{waited:.0f} % waiting for data"]
            say(f"{self.label}: {', '.join([f'step {done} of {settings.steps}', *terms])}")
            about = {"clips_per_second": rate, "data_wait_percent": waited, "memory_mb": memory_mb()}
            for name, value in about.items():
                self.board.add_scalar(name, value, done)
            self.said, self.clips, self.seconds, self.waited = time.monotonic(), 0, 0.0, 0.0

    def add(self, line):
        """Append a line to metrics.jsonl and to TensorBoard."""
        self.history.append(json.dumps(line))
        with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as stream:
            stream.write(self.history[-1] + "\n")
        self._show(line)

    def last(self, line):
        """Append the last line and close everything."""
        self.add(line)
        self._write()
        self.board.close()

    def _write(self):
        with atomic(self.folder / "metrics.jsonl") as path:
            path.write_text("".join(line + "\n" for line in self.history), encoding="utf-8")

    def _show(self, line):
        for name, value in _flat(line):
            self.board.add_scalar(name, value, line["step"])


class Silent:
    """Stands for `Records` in the processes that write nothing."""

    history = ()

    def __init__(self, label):
        self.label = label

    def step(self, *_):
        """Take no note."""


def memory_mb():
    """Return the most memory held so far, in 10^6 bytes: of the GPU where there is one."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _flat(line, prefix=""):
    """Yield (name with slashes, number) of a nested dict, without its step."""
    for name, value in line.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        elif name != "step":
            yield prefix + name, value
