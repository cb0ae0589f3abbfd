"""What a training says of itself: metrics.jsonl, TensorBoard, and lines for who watches."""

import json
import shutil
import time

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
        self.clips = 0

    def step(self, done, settings, measured, clips):
        """Take note of one step: a line every log_steps, a word to the user now and then."""
        self.clips += clips
        if done % settings.log_steps == 0 or done == settings.steps:
            self.add({"step": done, **measured})
        seconds = time.monotonic() - self.said
        if seconds >= PROGRESS_SECONDS or done == settings.steps:
            speed = self.clips / seconds
            terms = [f"{k} {v:.3f}" for k, v in measured.items() if k.startswith("loss")]
            text = ", ".join([f"step {done} of {settings.steps}", *terms, f"{speed:.0f} clips/s"])
            say(f"{self.label}: {text}")
            self.board.add_scalar("clips_per_second", speed, done)
            self.said, self.clips = time.monotonic(), 0

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


def _flat(line, prefix=""):
    """Yield (name with slashes, number) of a nested dict, without its step."""
    for name, value in line.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        elif name != "step":
            yield prefix + name, value
