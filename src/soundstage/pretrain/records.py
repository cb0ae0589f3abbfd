"""What a training says of itself: metrics.jsonl, speed.jsonl, TensorBoard, and lines for who watches."""

import json
import resource
import shutil
import time

import torch

from soundstage.cli import say
from soundstage.files import write_text

PROGRESS_SECONDS = 5.0


def is_logged(done, settings):
    """Return whether a line is written after `done` steps: every log_steps, and after the last one."""
    return done % settings.log_steps == 0 or done == settings.steps


class Records:
    """metrics.jsonl, speed.jsonl, TensorBoard and the lines for the person who watches.

    history: the lines of metrics.jsonl up to step `first`, after which the training goes on; 0 = it
    begins. Of what was recorded after that step, nothing is kept.
    """

    def __init__(self, folder, label, history=(), first=0):
        self.folder, self.label, self.history = folder, label, list(history)
        self._write()
        _keep(folder / "speed.jsonl", first)
        self.board = self._board(folder / "tensorboard", first)
        self.said = time.monotonic()
        self.logged, self.watched = Speed(), Speed()

    def _board(self, folder, first):
        """Return a TensorBoard writer that goes on after step `first`."""
        from torch.utils.tensorboard import SummaryWriter

        if not first:
            shutil.rmtree(folder, ignore_errors=True)
        is_new = not folder.exists()
        board = SummaryWriter(folder, purge_step=first + 1 if first else None)
        if is_new:
            for line in map(json.loads, self.history):
                _show(board, line)
        return board

    def step(self, done, settings, measured, clips, seen, speed):
        """Take note of one step: a line every log_steps, a word to the user now and then.

        measured: floats by name, for metrics.jsonl; seen: tensors by name, shown as histograms and
        by their mean; speed: seconds and waited_seconds of the step in this process. What depends on
        the machine goes to speed.jsonl, so that metrics.jsonl comes out the same again.
        """
        for window in (self.logged, self.watched):
            window.add(clips, **speed)
        if is_logged(done, settings):
            means = {name: values.mean().item() for name, values in seen.items()}
            self.add({"step": done, **measured, **means})
            for name, values in seen.items():
                self.board.add_histogram(name, values.cpu().numpy(), done)
            self._log_speed(done)
        if time.monotonic() - self.said >= PROGRESS_SECONDS or done == settings.steps:
            self._tell(done, settings, measured)

    def _log_speed(self, done):
        line = {"step": done, **self.logged.measured(), "memory_mb": memory_mb()}
        with open(self.folder / "speed.jsonl", "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        _show(self.board, line)
        self.logged = Speed()

    def _tell(self, done, settings, measured):
        terms = [f"{k} {v:.3f}" for k, v in measured.items() if k.startswith("loss")]
        rate, waited = self.watched.measured().values()
        terms += [f"{rate:.3g} clips/s", f"{waited:.0f} % waiting for data"]
        say(f"{self.label}: {', '.join([f'step {done} of {settings.steps}', *terms])}")
        self.said, self.watched = time.monotonic(), Speed()

    def add(self, line):
        """Append a line to metrics.jsonl and to TensorBoard."""
        self.history.append(json.dumps(line))
        with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as stream:
            stream.write(self.history[-1] + "\n")
        _show(self.board, line)

    def flush(self):
        """Bring onto the disk what TensorBoard has been given; a checkpoint counts on it."""
        self.board.flush()

    def last(self, line):
        """Append the last line and close everything."""
        self.add(line)
        self._write()
        self.board.close()

    def _write(self):
        write_text(self.folder / "metrics.jsonl", "".join(line + "\n" for line in self.history))


class Speed:
    """What some steps took, evaluations and checkpoints between them left out."""

    def __init__(self):
        self.clips, self.seconds, self.waited = 0, 0.0, 0.0

    def add(self, clips, seconds, waited_seconds):
        """Count one step: its clips in all processes, its seconds, those of them without data."""
        self.clips += clips
        self.seconds += seconds
        self.waited += waited_seconds

    def measured(self):
        """Return {"clips_per_second", "data_wait_percent"}."""
        seconds = max(self.seconds, 1e-9)
        return {"clips_per_second": self.clips / seconds, "data_wait_percent": 100 * self.waited / seconds}


class Silent:
    """Stands for `Records` in the processes that write nothing."""

    history = ()

    def __init__(self, label):
        self.label = label

    def step(self, *_):
        """Take no note."""

    def add(self, _):
        """Write nothing."""


def memory_mb():
    """Return the most memory held so far, in 10^6 bytes: of the GPU where there is one."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _keep(path, first):
    """Keep of a file of lines, each a JSON object with its step, those up to step `first`."""
    if not first:
        path.unlink(missing_ok=True)
    elif path.exists():
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= first]
        write_text(path, "".join(line + "\n" for line in lines))


def _step_of(line):
    """Return the step of a line, infinity for one that a killed training left unfinished."""
    try:
        return json.loads(line)["step"]
    except ValueError:
        return float("inf")


def _show(board, line):
    for name, value in _flat(line):
        board.add_scalar(name, value, line["step"])


def _flat(line, prefix=""):
    """Yield (name with slashes, number) of a nested dict, without its step."""
    for name, value in line.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        elif name != "step":
            yield prefix + name, value
