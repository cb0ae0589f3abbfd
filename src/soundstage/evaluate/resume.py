"""What a long work has embedded so far, on the disk beside its result: an interrupted call goes on from it.

A file is kept under a fingerprint of all that it depends on, and not used by a work of another one.
"""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np

from soundstage.files import atomic

# between two moments from which an interrupted work can go on, whichever comes first: 256 windows are 10 s of work
# for an S tower of sound on one core, and 4 batches, of which one more is not full
SAVED_CLIPS, SAVED_WINDOWS = 256, 256


@dataclasses.dataclass(frozen=True)
class Leftovers:
    """A folder of .npz files of one work; nothing is kept where there is no folder."""

    folder: Path | None
    fingerprint: str

    def get(self, name):
        """Return {name: array} of a file, or None unless this work has left it."""
        return kept(self.folder / f"{name}.npz", self.fingerprint) if self.folder else None

    def put(self, name, **arrays):
        """Leave arrays for a later call."""
        if self.folder:
            keep(self.folder / f"{name}.npz", self.fingerprint, **arrays)

    def remove(self):
        """Remove the folder: its work is done."""
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


NOWHERE = Leftovers(None, "")


def beside(out, fingerprint):
    """Return the `Leftovers` of the work that writes the file `out`, in the folder `out`.part."""
    return Leftovers(Path(f"{out}.part"), fingerprint)


def kept(path, fingerprint):
    """Return the arrays in an .npz file of this fingerprint, or None."""
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            if str(file["fingerprint"]) == fingerprint:
                return {name: file[name] for name in file.files if name != "fingerprint"}
    return None


def keep(path, fingerprint, **arrays):
    """Write arrays as an .npz file of this fingerprint, whole or not at all."""
    with atomic(path) as temporary:
        np.savez(temporary, fingerprint=np.array(fingerprint), **arrays)


def stamp(path):
    """Return [path, bytes, time of change in ns] of a file as far as there is one: what tells it from another."""
    path = Path(path)
    found = path.stat() if path.is_file() else None
    return [str(path), found.st_size if found else 0, found.st_mtime_ns if found else 0]


def embed_clips(means, source, leftovers, notes=()):
    """Take the windows of all clips into `means`, {part: `frozen.Means`}, going on from what an earlier call left.

    source(first) yields (clip number, blocks of (part, windows)) of the clips from the number `first` on; notes:
    [list of JSON values] of every clip, if any, which `source` fills as it goes. A batch never reaches over a moment at
    which something is left, so that an interrupted work ends as another.
    """
    first, windows = go_on(means, leftovers, notes), 0
    for clip, blocks in source(first):
        for part, block in blocks:
            if len(block):
                means[part].add(block, np.full(len(block), clip))
                windows += len(block)
        if clip + 1 - first == SAVED_CLIPS or windows >= SAVED_WINDOWS:
            leave(means, leftovers, notes, first, clip + 1)
            first, windows = clip + 1, 0


def go_on(means, leftovers, notes):
    """Fill `means` and `notes` with what `leave` left, moment by moment; return the number of the first clip left."""
    done = 0
    while (saved := leftovers.get(done)) is not None:
        first, done = done, int(saved["done"])
        if notes:
            notes[first:done] = json.loads(str(saved["notes"]))
        for part, mean in means.items():
            mean.counts[first:done] = saved[f"{part}_counts"]
            sums = saved.get(f"{part}_sums")
            if sums is not None:
                mean.sums = np.zeros((mean.clips, sums.shape[1])) if mean.sums is None else mean.sums
                mean.sums[first:done] = sums
    return done


def leave(means, leftovers, notes, first, done):
    """Embed what waits, and leave the means of the clips from the number `first` to before `done`."""
    arrays = {}
    for part, mean in means.items():
        mean.flush()
        arrays[f"{part}_counts"] = mean.counts[first:done]
        if mean.sums is not None:
            arrays[f"{part}_sums"] = mean.sums[first:done]
    leftovers.put(first, done=np.array(done), notes=np.array(json.dumps(notes[first:done])), **arrays)
