"""Clips a second of the shard reader, against raw tars, plain files and the decoder alone.

    python benchmarks/loader.py --clips 160 --workers 0 1 2

Makes shards of noisy moving pictures (short side 256, H.264) and two languages, then reads them: bytes
only; the decoder alone on the same clips, in one process; the shard reader with different numbers of
workers; and a dataset of plain files, one folder a clip, with as many workers. All end in what the
paper's towers read: two log-mels and two crops of 16 pictures. Clips a second are of the clock.
"""

import argparse
import io
import json
import os
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from measure import machine, table
from torch.utils.data import DataLoader, Dataset

from soundstage.media import encode_clip, flac_bytes
from soundstage.model.lssd_inputs import PAPER, SHORT_SIDES
from soundstage.model.settings import Model
from soundstage.pretrain.settings import Loader, Run, Settings
from soundstage.pretrain.stream import Reader, StreamFeed, survey
from soundstage.pretrain.tars import listing

BATCH = 8


def members(number):
    """Return one clip's files: a noisy picture that moves, two languages and the description."""
    rng = np.random.default_rng(number)
    field = rng.integers(0, 255, (64, 114, 3), np.uint8).repeat(6, 0).repeat(6, 1)
    frames = [field[n : n + 256, 2 * n : 2 * n + 456] for n in range(75)]
    sounds = {name: rng.normal(0, 0.1, 144000) for name in ("en", "fr")}
    return {**{f"{name}.flac": flac_bytes(sound)[0] for name, sound in sounds.items()}, "mp4": encode_clip(frames)}


def make(folder, clips, shards):
    """Write shards and the same clips as plain files; return (tars, folders, bytes of the tars)."""
    content = [members(number) for number in range(4)]
    tars, folders = [], []
    for shard in range(shards):
        tars.append(folder / f"film-{shard}-0.tar")
        with tarfile.open(tars[-1], "w") as tar:
            for clip in range(clips // shards):
                about = {"film": f"film-{shard}", "clip": clip, "split": "train", "original_language": "en"}
                about |= {"languages": ["en", "fr"], "start_seconds": 3.0 * clip, "end_seconds": 3.0 * clip + 3}
                files = {**content[clip % len(content)], "json": json.dumps(about).encode()}
                folders.append(folder / "plain" / f"film-{shard}-{clip:06d}")
                folders[-1].mkdir(parents=True)
                for name, data in files.items():
                    header = tarfile.TarInfo(f"film-{shard}-{clip:06d}.{name}")
                    header.size = len(data)
                    tar.addfile(header, io.BytesIO(data))
                    (folders[-1] / name).write_bytes(data)
    return tars, folders, sum(tar.stat().st_size for tar in tars)


class Plain(Dataset):
    """The same clips as folders of files."""

    def __init__(self, folders, reader):
        self.folders, self.reader = folders, reader

    def __len__(self):
        return len(self.folders)

    def __getitem__(self, number):
        """Return one clip's two views."""
        sample = Folder(self.folders[number])
        return {name: torch.from_numpy(value) for name, value in self.reader.take(sample, sample.about(), 0).items()}


class Folder:
    """A clip's folder, read as a sample of a tar is."""

    def __init__(self, path):
        self.path, self.key, self.members = path, path.name, {entry.name: None for entry in path.iterdir()}

    def read(self, member):
        """Return the bytes of a member."""
        return (self.path / member).read_bytes()

    def about(self):
        """Return the description."""
        return json.loads(self.read("json"))


def rate(work, count):
    """Return clips a second of the clock of a function that handles `count` clips."""
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)


def read_bytes(tars):
    for tar in tars:
        for sample in listing(tar)[0]:
            for name in sample.members:
                sample.read(name)


def decode(reader, tars, count):
    samples = [sample for tar in tars for sample in listing(tar)[0]][:count]
    for sample in samples:
        reader.take(sample, sample.about(), 0)


def stream_rate(shards, settings, workers, clips):
    """Return clips a second after the first batch of every worker, which waits for its start."""
    feed = StreamFeed(shards, settings, 0, workers=workers)
    for _ in range(max(1, workers)):
        feed.next_share()
    return rate(lambda: [feed.next_share() for _ in range(clips // BATCH)], clips // BATCH * BATCH)


def plain_rate(folders, reader, workers, clips):
    loader = iter(DataLoader(Plain(folders * 4, reader), BATCH, shuffle=True, num_workers=workers))
    for _ in range(max(1, workers)):
        next(loader)
    return rate(lambda: [next(loader) for _ in range(clips // BATCH)], clips // BATCH * BATCH)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--clips", type=int, default=160, help="clips of the corpus")
    arguments.add_argument("--timed", type=int, default=64, help="clips of each timing that decodes")
    arguments.add_argument("--shards", type=int, default=16)
    arguments.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    options = arguments.parse_args()
    torch.set_num_threads(1)
    machine("cpu", "Times are of the clock.")
    views = Loader(short_side_min=SHORT_SIDES[0], short_side_max=SHORT_SIDES[1])
    settings = Settings(batch_clips=BATCH, film_clips=4, run=Run(views="dubs"), loader=views, model=Model(inputs=PAPER))
    with tempfile.TemporaryDirectory() as folder:
        tars, folders, size = make(Path(folder), options.clips, options.shards)
        shards = survey(tars, balance=True)
        reader = Reader(settings, "dubs", shards.languages, shards.weights, 0)
        cores = len(os.sched_getaffinity(0))
        print(f"{options.clips} clips, {size / 1e6:.0f} MB, {options.shards} shards, {cores} core(s) allowed\n")
        table(["route", "clips/s", "of the decoder alone"], routes(options, settings, shards, reader, tars, folders))


def routes(options, settings, shards, reader, tars, folders):
    """Yield (route, clips a second, share of the decoder alone)."""
    yield "raw tars, bytes only", f"{rate(lambda: read_bytes(tars), options.clips):.0f}", ""
    ceiling = rate(lambda: decode(reader, tars, options.timed), options.timed)
    yield "decoder alone, one process", f"{ceiling:.1f}", "100 %"
    for workers in options.workers:
        for name, found in (
            ("shard reader", stream_rate(shards, settings, workers, options.timed)),
            ("plain files", plain_rate(folders, reader, workers, options.timed)),
        ):
            yield f"{name}, {workers} workers", f"{found:.1f}", f"{100 * found / ceiling:.0f} %"


if __name__ == "__main__":
    main()
