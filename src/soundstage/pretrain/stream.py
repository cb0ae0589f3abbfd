"""Shards as batches of two views, decoded as they are needed, in worker processes.

The tars are read as WebDataset writes them; who reads which, the order, the epochs and the resume are
this module's own. Each process has its share of every batch; each of its workers composes and decodes
whole shares, so that one copy into shared memory is all that passes between them.
"""

import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, default_collate, get_worker_info

from soundstage.cli import say
from soundstage.errors import UserError
from soundstage.media import decode_clip, decode_flac
from soundstage.model.inputs import as_float, log_mel, resize_frames, spread
from soundstage.model.lssd_inputs import training_pictures
from soundstage.pretrain import sampler
from soundstage.pretrain.augment import audio_view, coloured, cropped
from soundstage.pretrain.compose import Composer, shared_out
from soundstage.pretrain.prepare import decode_jpeg
from soundstage.pretrain.tars import listing
from soundstage.units import rng_of, seconds_to_frames, seconds_to_samples

SAMPLED = 8  # first samples of a shard, which tell its split and languages
CERTAIN = 50  # clips seen before a share of broken ones stops the training


@dataclass(frozen=True)
class Shards:
    """What is known of the shards before the training: paths by split, languages, their weights."""

    train: tuple
    held_out: tuple
    languages: tuple
    weights: np.ndarray  # (languages,) of `sampler.language_weights`


def survey(paths, balance):
    """Return the `Shards` of some tars: which are for training, and how often languages are heard.

    Reads the first few samples' descriptions of every tar. UserError when none is for training.
    """
    splits, present = {}, []
    for path in sorted(map(str, paths)):
        abouts = list(_descriptions(path))
        splits[path] = abouts[0]["split"] if abouts else "empty"
        present += [about["languages"] for about in abouts if about["split"] == "train"]
    train = tuple(path for path, split in splits.items() if split == "train")
    if not train:
        raise UserError(f"none of {len(splits)} shards is of the split train", fix="see the split column of films.tsv")
    languages = tuple(sorted({name for names in present for name in names}))
    table = np.array([[name in names for name in languages] for names in present])
    weights = sampler.language_weights(table) if balance else np.ones(len(languages))
    held_out = tuple(path for path, split in splits.items() if split in ("valid", "test"))
    return Shards(train, held_out, languages, weights)


def _descriptions(path):
    """Yield what the first samples of a tar say of themselves, broken ones left out."""
    for sample in listing(path, SAMPLED)[0]:
        try:
            about = sample.about()
        except (KeyError, ValueError):
            continue
        if {"film", "split", "languages"} <= about.keys():
            yield about


def by_film(paths):
    """Return {film: its shards}, films and shards in order."""
    films = {}
    for path in paths:
        films.setdefault(next(_descriptions(path))["film"], []).append(path)
    return dict(sorted(films.items()))


@dataclass(frozen=True)
class Reader:
    """Turns one sample into what two views need; the same for the same seed, epoch and key."""

    settings: object  # `soundstage.pretrain.settings.Settings`
    views: str  # as settings.run.views, or "plain": the original, centred, without augmentation
    languages: tuple
    weights: np.ndarray
    seed: int

    def wanted(self, about, sample):
        """Return whether a clip has what this arm needs."""
        if self.views == "dubs":
            return len(about["languages"]) > 1
        if self.views == "speech_removed":
            return self._nospeech(about) in sample.members
        return True

    def take(self, sample, about, epoch):
        """Return {"sound_p", "sound_s": (mels, frames) float32, "picture_p", "picture_s": uint8}."""
        names = self._sounds(about, rng_of(self.seed, "languages", epoch, sample.key))
        sounds = {name: decode_sound(sample.read(name), self.settings.model.inputs) for name in set(names)}
        frames = decode_pictures(sample, self.settings.model.inputs)
        item = {}
        for view, name in zip("ps", names, strict=True):
            item[f"sound_{view}"] = sounds[name]
            item[f"picture_{view}"] = self._picture(frames, rng_of(self.seed, "crop", view, epoch, sample.key))
        return item

    def _nospeech(self, about):
        return f"{about['original_language']}.nospeech.flac"

    def _sounds(self, about, rng):
        """Return the members that the primary and the secondary audio view hear."""
        if self.views == "dubs":
            chosen = sampler.paired_languages(*self._heard(about), self.weights, rng, self.settings.run.pairing)
            return [f"{self.languages[int(number[0])]}.flac" for number in chosen]
        if self.views == "speech_removed":
            return [self._nospeech(about)] * 2
        return [f"{about['original_language']}.flac"] * 2

    def _heard(self, about):
        """Return (present (1, languages) bool, column (1,) of the original) of the tracks that this arm may hear."""
        present = np.array([[name in about["languages"] for name in self.languages]])
        column = np.array([self.languages.index(about["original_language"])])
        orders = sampler.film_order(about["film"], len(self.languages), self.seed)[None]
        return sampler.limited(present, column, orders, self.settings.run.most_dubs), column

    def _picture(self, frames, rng):
        """Return (frames, crop_height, crop_width, 3) uint8 of one view."""
        inputs, loader = self.settings.model.inputs, self.settings.loader
        if self.views == "plain":
            small = resize_frames(frames, inputs)
            top, left = (small.shape[1] - inputs.crop_height) // 2, (small.shape[2] - inputs.crop_width) // 2
            return small[:, top : top + inputs.crop_height, left : left + inputs.crop_width]
        if loader.short_side_min == 0:
            return cropped(resize_frames(frames, inputs)[None], self.settings, rng)[0]
        view = training_pictures(frames, rng, (loader.short_side_min, loader.short_side_max), self._crop())
        # flipped by torch, which takes a tenth of numpy's time for three colours side by side
        return torch.from_numpy(view).flip(2).numpy() if rng.random() < self.settings.flip_share else view

    def _crop(self):
        return self.settings.model.inputs.crop_height, self.settings.model.inputs.crop_width


def decode_sound(data, inputs):
    """Return the log-mel of a FLAC member, (mels, mel frames) float32; UserError at another length."""
    audio, expected = decode_flac(data)[0], seconds_to_samples(inputs.clip_seconds)
    if audio.shape != (expected,):
        raise UserError(f"expected {expected} samples, found {audio.shape}")
    return log_mel(audio[None], inputs)[0, 0].numpy()


def decode_pictures(sample, inputs):
    """Return the pictures of a clip that the tower sees, (frames, height, width, 3) uint8."""
    wanted = spread(seconds_to_frames(inputs.clip_seconds), inputs.frames).tolist()
    if "mp4" in sample.members:
        return decode_clip(sample.read("mp4"), wanted)
    return np.stack([decode_jpeg(sample.read(f"{number:03d}.jpg")) for number in wanted])


class Batches(IterableDataset):
    """Decoded shares of batches; yields (item arrays stacked, what was left out, clips tried, composer's state).

    What was left out: (key, why, clips).
    """

    def __init__(self, composers, reader, done):
        self.composers, self.reader, self.done = composers, reader, done

    def __iter__(self):
        info = get_worker_info()
        count = len(self.composers)
        # the loader asks worker 0 first; after a resume that must be whoever is next in turn
        worker = 0 if info is None else (info.id + self.done) % count
        composer = Composer(**self.composers[worker], wanted=self.reader.wanted)
        while True:
            items = composer.next_batch(self.reader.take)
            report = [(key, why, composer.lost.get(key, 1)) for key, why in composer.report]
            composer.report, lost = [], sum(clips for *_, clips in report)
            # in a worker this stacks in shared memory, so that no second copy goes to the training
            tensors = [{name: torch.from_numpy(value) for name, value in item.items()} for item in items]
            yield default_collate(tensors), report, len(items) + lost, composer.state()


class StreamFeed:
    """Batches of two views from shards; has the position that an exact resume needs."""

    def __init__(self, shards, settings, seed, rank=0, processes=1, device="cpu", views=None, workers=None):
        loader = settings.loader
        self.settings, self.seed, self.rank, self.processes = settings, seed, rank, processes
        self.device = device
        self.shards, self.workers = shards, loader.workers if workers is None else workers
        self.batch = settings.batch_clips
        films = {
            path: {film: Path(path).stat().st_size} for film, some in by_film(shards.train).items() for path in some
        }
        shares = shared_out(films, processes, seed)
        check_readers(shares, self.workers)
        self.mine = shares[rank]
        if settings.batch_clips % processes:
            raise UserError(
                f"a batch of {settings.batch_clips} clips cannot be shared by {processes} processes",
                "pretrain.batch_clips",
                f"choose a multiple of {processes}",
            )
        self.reader = Reader(settings, views or settings.run.views, shards.languages, shards.weights, seed)
        self.done, self.tried, self.broken, self.iterator = 0, 0, {}, None
        self.lost = 0  # clips among the broken
        self.composers = [None] * max(1, self.workers)  # their states after the batches given

    def state(self):
        """Return where this process is: batches given, clips tried, and the broken ones met."""
        counts = {"done": self.done, "tried": self.tried, "lost": self.lost}
        return {**counts, "broken": dict(self.broken), "composers": list(self.composers)}

    def restore(self, state):
        """Go on from `state`; comes before the first batch."""
        self.done, self.tried, self.broken = state["done"], state["tried"], dict(state["broken"])
        self.lost, self.composers = state["lost"], list(state["composers"])

    def _start(self):
        workers = max(1, self.workers)
        common = {
            "paths": self.mine,
            "batch": self.settings.batch_clips // self.processes,
            "film_clips": self.settings.film_clips,
            # a batch is of so many films in all, but for more processes than that
            "film_group": max(1, self.settings.film_group // self.processes),
            "open_shards": self.settings.loader.open_shards,
            "seed": self.seed,
            "readers": workers,
            "process": self.rank,
            "processes": self.processes,
        }
        composers = [{**common, "reader": worker, "state": self.composers[worker]} for worker in range(workers)]
        batches = Batches(composers, self.reader, self.done)
        if not self.workers:
            return iter(batches)
        loader = DataLoader(batches, batch_size=None, num_workers=self.workers, worker_init_fn=_plain_signals)
        return iter(loader)

    def next_share(self):
        """Return this process's share of the next batch, arrays by name; counts what was broken."""
        if self.iterator is None:
            self.iterator = self._start()
        share, report, tried, self.composers[self.done % len(self.composers)] = next(self.iterator)
        self.done += 1
        self.tried += tried
        for key, reason, clips in report:
            say(f"left out: {key}: {reason}")
            self.lost += 0 if key in self.broken else clips
            self.broken[key] = reason
        most = self.settings.loader.broken_percent
        if self.tried >= CERTAIN and 100 * self.lost > most * self.tried:
            reasons = "; ".join(f"{key}: {reason}" for key, reason in list(self.broken.items())[:3])
            raise UserError(
                f"{self.lost} of {self.tried} clips are broken, more than {most} %: {reasons}",
                "pretrain.loader.broken_percent",
                "write these shards again, or raise the share",
            )
        return share

    def views_at(self, number):
        """Return {"audio_p", "audio_s", "video_p", "video_s"} of batch `number`, which must be the next."""
        if number != self.done:
            raise ValueError(f"expected batch {self.done}, asked for {number}")
        share, views = self.next_share(), {}
        for view in "ps":
            heard, seen = (rng_of(self.seed, kind, view, number, self.rank) for kind in ("audio", "video"))
            views[f"audio_{view}"] = audio_view(share[f"sound_{view}"].numpy(), self.settings, heard).to(self.device)
            pictures = share[f"picture_{view}"].to(self.device, non_blocking=True)
            views[f"video_{view}"] = coloured(as_float(pictures), self.settings, seen)
        return views

    def plain_batches(self, count):
        """Yield (log-mel, video) of `count` batches, original track, without augmentation."""
        plain = StreamFeed(self.shards, self.settings, self.seed, self.rank, self.processes, views="plain", workers=0)
        for _ in range(count):
            share = plain.next_share()
            yield share["sound_p"].unsqueeze(1), as_float(share["picture_p"])


def check_readers(shares, workers):
    """Raise a UserError when a reader would have no shard.

    shares: of `soundstage.pretrain.compose.shared_out`, the shards of every process.
    """
    processes, shards, fewest = len(shares), sum(map(len, shares)), min(map(len, shares))
    too_few = f"{shards} training shards are too few for {processes} processes with {workers} workers each"
    if not fewest:
        raise UserError(
            f"{too_few}: all shards of a film go to one process, and {shares.count([])} would have none",
            fix="start fewer processes, or give more films, each in shards of its own",
        )
    if fewest < workers:
        raise UserError(
            f"{too_few}: each worker needs a shard of its own, and the films of one process have {fewest}",
            "pretrain.loader.workers",
            "lower pretrain.loader.workers, start fewer processes, or raise shards.parts_per_film",
        )


def _plain_signals(_worker):
    """Let workers die of the signals that the training turns into a checkpoint."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
