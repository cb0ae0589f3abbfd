"""Clips a second of the shard reader, against raw tars, plain files and the decoder alone.

    python benchmarks/loader.py --clips 160 --workers 0 1 2
    python benchmarks/loader.py --shards work/shards/*/train-*.tar

Without --shards, makes shards of noisy moving pictures (short side 256, H.264) and two languages. Reads
them: bytes only; the decoder alone on the same clips (every picture of the H.264, those that the tower sees and
the FLAC to arrays); only what those pictures need, and that with what is then made of them (two log-mels
and two crops of 16 pictures, as the paper's towers read), each in one process and in as many as there are
cores; the shard reader with different numbers of workers; and a dataset of plain files, one folder a clip,
with as many workers. Clips a second are of the clock.
"""

import argparse
import io
import json
import multiprocessing
import os
import tarfile
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch
from measure import machine, table
from torch.utils.data import DataLoader, Dataset

from soundstage.media import decode_flac, encode_clip, flac_bytes
from soundstage.model.inputs import spread
from soundstage.model.lssd_inputs import PAPER, SHORT_SIDES
from soundstage.model.settings import Model
from soundstage.pretrain.settings import Loader, Run, Settings
from soundstage.pretrain.stream import StreamFeed, decode_pictures, reader_of
from soundstage.pretrain.survey import survey
from soundstage.pretrain.tars import listing
from soundstage.units import seconds_to_frames

BATCH = 8


def members(number):
    """Return one clip's files: a noisy picture that moves, two languages and the description."""
    rng = np.random.default_rng(number)
    field = rng.integers(0, 255, (64, 114, 3), np.uint8).repeat(6, 0).repeat(6, 1)
    frames = [field[n : n + 256, 2 * n : 2 * n + 456] for n in range(75)]
    sounds = {name: rng.normal(0, 0.1, 144000) for name in ("en", "fr")}
    return {**{f"{name}.flac": flac_bytes(sound)[0] for name, sound in sounds.items()}, "mp4": encode_clip(frames)}


def make(folder, clips, shards):
    """Write shards and return their paths."""
    content, tars = [members(number) for number in range(4)], []
    for shard in range(shards):
        tars.append(folder / f"film-{shard}-0.tar")
        with tarfile.open(tars[-1], "w") as tar:
            for clip in range(clips // shards):
                about = {"film": f"film-{shard}", "clip": clip, "split": "train", "original_language": "en"}
                about |= {"languages": ["en", "fr"], "start_seconds": 3.0 * clip, "end_seconds": 3.0 * clip + 3}
                files = {**content[clip % len(content)], "json": json.dumps(about).encode()}
                for name, data in files.items():
                    header = tarfile.TarInfo(f"film-{shard}-{clip:06d}.{name}")
                    header.size = len(data)
                    tar.addfile(header, io.BytesIO(data))
    return tars


def unpacked(samples, folder):
    """Write samples as plain files, a folder each, and return the folders."""
    folders = [folder / sample.key for sample in samples]
    for sample, path in zip(samples, folders, strict=True):
        path.mkdir(parents=True)
        for name in sample.members:
            (path / name).write_bytes(sample.read(name))
    return folders


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


def read_bytes(samples):
    for sample in samples:
        for name in sample.members:
            sample.read(name)


def decoded(reader, sample):
    """Decode every picture and the two languages of a clip, and no more; the tower's pictures as arrays."""
    inputs = reader.settings.model.inputs
    wanted = set(spread(seconds_to_frames(inputs.clip_seconds), inputs.frames).tolist())
    with av.open(io.BytesIO(sample.read("mp4"))) as container:
        container.streams.video[0].thread_count = 1
        frames = enumerate(container.decode(video=0))
        np.stack([frame.to_ndarray(format="rgb24") for number, frame in frames if number in wanted])
    decode_sounds(reader, sample)


def needed(reader, sample):
    """Decode what the pictures of the tower need and the two languages of a clip, and no more."""
    decode_pictures(sample, reader.settings.model.inputs)
    decode_sounds(reader, sample)


def decode_sounds(reader, sample):
    for name in reader._sounds(sample.about(), np.random.default_rng(0)):
        decode_flac(sample.read(name))


def viewed(reader, sample):
    """Decode a clip and make both its views."""
    reader.take(sample, sample.about(), 0)


CEILINGS = {"decoder alone": decoded, "needed pictures": needed, "needed pictures and views": viewed}


def decode_rate(work, reader, samples, processes):
    """Return clips a second of so many processes that only decode."""
    todo = [(reader, sample) for sample in samples]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        pool.starmap(work, todo[: 2 * processes], 1)
        return rate(lambda: pool.starmap(work, todo, 1), len(todo))


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
    arguments.add_argument("--shards", type=Path, nargs="+", help="tars to read instead of made ones")
    arguments.add_argument("--clips", type=int, default=160, help="clips of the made shards")
    arguments.add_argument("--films", type=int, default=16, help="made shards, one a film")
    arguments.add_argument("--timed", type=int, default=64, help="clips of each timing that decodes")
    arguments.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    options = arguments.parse_args()
    torch.set_num_threads(1)
    machine("cpu", "Times are of the clock.")
    views = Loader(short_side_min=SHORT_SIDES[0], short_side_max=SHORT_SIDES[1])
    sizes = {"batch_clips": BATCH, "film_clips": 4, "minimum_dub_clips": 0}
    settings = Settings(**sizes, run=Run(views="dubs"), loader=views, model=Model(inputs=PAPER))
    with tempfile.TemporaryDirectory() as folder:
        tars = options.shards or make(Path(folder), options.clips, options.films)
        shards = survey(tars)
        reader = reader_of(shards, settings, 0)
        found = routes(options, settings, shards, reader, Path(folder))
        table(next(found), found)


def routes(options, settings, shards, reader, folder):
    """Yield the head, then (route, clips a second, shares of what all cores do of each kind of decoding)."""
    samples = [sample for tar in shards.train for sample in listing(tar)[0]]
    size, cores = sum(Path(tar).stat().st_size for tar in shards.train), len(os.sched_getaffinity(0))
    print(f"{len(samples)} clips, {size / 1e6:.0f} MB, {len(shards.train)} shards, {cores} core(s) allowed\n")
    yield "route", "clips/s", *(f"of the {name}" for name in CEILINGS)
    yield "raw tars, bytes only", f"{rate(lambda: read_bytes(samples), len(samples)):.0f}", *("" for _ in CEILINGS)
    samples = [sample for sample in samples if reader.wanted(sample.about(), sample)]
    timed = (samples * (1 + options.timed // len(samples)))[: options.timed]
    ceilings = []
    for processes in sorted({1, cores}):
        ceilings = [decode_rate(work, reader, timed, processes) for work in CEILINGS.values()]
        for name, found in zip(CEILINGS, ceilings, strict=True):
            yield f"{name}, {processes} process(es)", f"{found:.1f}", *(f"{100 * found / c:.0f} %" for c in ceilings)
    folders = unpacked(samples, folder / "plain")
    for workers in options.workers:
        for name, found in (
            ("shard reader", stream_rate(shards, settings, workers, options.timed)),
            ("plain files", plain_rate(folders, reader, workers, options.timed)),
        ):
            yield f"{name}, {workers} workers", f"{found:.1f}", *(f"{100 * found / c:.0f} %" for c in ceilings)


if __name__ == "__main__":
    main()
