"""Windows of a benchmark, on the disk as they are decoded: what was written before a crash is kept.

A folder `<out>.part` beside a decoded benchmark holds one raw file for sound and one for pictures, and
progress.jsonl: a line with the fingerprint of the work, then a line per clip. It goes when the benchmark is whole.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np

PARTS = ("audio", "video")
SAVED_CLIPS = 32  # clips between two moments from which an interrupted work can go on


class Windows:
    """Windows of one kind, appended to a file; shape: of one window. `owners` has a clip's number per window."""

    def __init__(self, path, shape, kind):
        self.path, self.shape, self.kind, self.owners, self.kept = path, shape, np.dtype(kind), [], True
        self.stream = open(path, "ab")  # noqa: SIM115  (closed by `close`)
        self.window_bytes = int(np.prod(shape)) * self.kind.itemsize

    def add(self, owner, windows):
        """Append windows (n, *shape) of the clip number `owner`."""
        self.owners += [owner] * len(windows)
        if self.kept:
            self.stream.write(np.ascontiguousarray(windows, self.kind).data)

    def back_to(self, count):
        """Forget all but the first `count` windows."""
        del self.owners[count:]
        self.stream.flush()
        self.stream.truncate(count * self.window_bytes if self.kept else 0)

    def keep_none(self):
        """Throw the windows away, and those to come; who owns how many is still counted."""
        self.kept = False
        self.back_to(len(self.owners))

    @property
    def bytes(self):
        """How large the windows are, kept or not."""
        return len(self.owners) * self.window_bytes

    def sync(self):
        """Put what was added on the disk."""
        self.stream.flush()
        os.fsync(self.stream.fileno())

    def close(self):
        """Return (windows (n, *shape), a memory map; (n,) int32 owners)."""
        self.stream.close()
        owners = np.array(self.owners, np.int32)
        if not len(owners) or not self.kept:
            return np.zeros((0, *self.shape), self.kind), owners
        return np.memmap(self.path, self.kind, "r", 0, (len(owners), *self.shape)), owners


class Progress:
    """A folder of `Windows` and what became of every clip, from which an interrupted work goes on.

    windows: {"audio" | "video": `Windows`}; rows: what was noted of the first clips, in order, a dict each.
    """

    def __init__(self, folder, fingerprint, shapes, most_bytes):
        self.folder, self.most_bytes, self.rows, self.unsaved = Path(folder), most_bytes, [], []
        path = self.folder / "progress.jsonl"
        if path.is_file() and not path.read_text().startswith(json.dumps(fingerprint) + "\n"):
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.windows = {part: Windows(self.folder / f"{part}.bin", *shapes[part]) for part in PARTS}
        self.noted = open(path, "a+")  # noqa: SIM115  (closed by `close`)
        if path.stat().st_size:
            self._go_on(path)
        else:
            self.noted.write(json.dumps(fingerprint) + "\n")
            self.noted.flush()

    def _go_on(self, path):
        """Take in the whole lines of an interrupted work, and cut all files back to what they say."""
        lines = path.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        self.noted.truncate(sum(map(len, whole)))
        self.rows = [json.loads(line) for line in whole[1:]]
        for part, windows in self.windows.items():
            for row in self.rows:
                windows.owners += [row["clip"]] * row[part]
            windows.kept = self.rows[-1]["kept"] if self.rows else True
            windows.back_to(len(windows.owners))

    def note(self, row):
        """Note what became of the next clip, after its windows; drop all windows where they get too many."""
        if self.kept and sum(windows.bytes for windows in self.windows.values()) > self.most_bytes:
            for windows in self.windows.values():
                windows.keep_none()
        self.rows.append({**row, "kept": self.kept})
        self.unsaved.append(json.dumps(self.rows[-1]) + "\n")
        if len(self.unsaved) == SAVED_CLIPS:
            self.save()

    def save(self):
        """Put the windows on the disk, then the notes about them."""
        for windows in self.windows.values():
            windows.sync()
        self.noted.write("".join(self.unsaved))
        self.noted.flush()
        self.unsaved = []

    @property
    def kept(self):
        """Whether the windows are there."""
        return all(windows.kept for windows in self.windows.values())

    def close(self):
        """Return {part: (windows, owners)}; the maps stay good when the folder is gone."""
        self.noted.close()
        return {part: windows.close() for part, windows in self.windows.items()}
