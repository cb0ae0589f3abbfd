"""Shards as batches of two views, decoded as they are needed, in worker processes.

The tars are read as WebDataset writes them; who reads which, the order, the epochs and the resume are
this module's own. Each process has its share of every batch; each of its workers composes and decodes
whole shares, so that one copy into shared memory is all that passes between them.
"""

import collections
import dataclasses
import signal
from dataclasses import dataclass

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
from soundstage.pretrain.broken import Counted, Hopeless, check_described, error_of, too_many
from soundstage.pretrain.compose import Composer, shared_out
from soundstage.pretrain.prepare import decode_jpeg
from soundstage.pretrain.survey import total
from soundstage.pretrain.tars import listing
from soundstage.units import rng_of, seconds_to_frames, seconds_to_samples

LOOKED_AT = 8  # shards whose pictures are measured before the training
ENLARGED = 0.9  # pictures with less than this share of the smallest side asked for are refused


def reader_of(shards, settings, seed):
    """Return the `Reader` of an arm, after `soundstage.pretrain.feed.Feed`'s rules.

    All arms of a comparison read the same clips. Languages are weighed over those, after the limit of
    dubs. UserError when there is not one clip, or not the sound that the arm hears.
    """
    kinds, dubbed = shards.shared(settings.minimum_dub_clips)
    if not kinds:
        raise UserError(
            "not one training clip has a dub", "pretrain.minimum_dub_clips", "raise it to train on originals"
        )
    views = settings.run.views if dubbed or settings.run.views != "dubs" else "original"
    every, clips = [kind for some in kinds.values() for kind in some], total(kinds)
    lack = sum(kind.clips for kind in every if not kind.nospeech)
    if views == "speech_removed" and lack:
        raise UserError(
            f"{lack} of {clips} training clips lack the sound without speech, which this run needs",
            fix="run the stages nospeech and shards, for every film",
        )
    languages = shards.languages
    balanced = views == "dubs" and settings.balance_languages
    weights = _weights(every, languages, settings, seed) if balanced else np.ones(len(languages))
    return Reader(settings, views, languages, weights, seed, dubbed)


def _weights(kinds, languages, settings, seed):
    """Return (languages,) weights with which the clips of these kinds hear all languages alike."""
    alike = collections.Counter()
    for kind in kinds:
        alike[kind.film, kind.original, kind.languages] += kind.clips
    heard = [tracks(*some, languages, settings.run.most_dubs, seed)[0] for some in alike]
    return sampler.language_weights(np.concatenate(heard), np.array(list(alike.values())))


def tracks(film, original, names, languages, most_dubs, seed):
    """Return (present (1, languages) bool, column (1,) of the original) of the tracks that an arm may hear."""
    present = np.array([[name in names for name in languages]])
    column = np.array([languages.index(original)])
    orders = sampler.film_order(film, len(languages), seed)[None]
    return sampler.limited(present, column, orders, most_dubs), column


@dataclass(frozen=True)
class Reader:
    """Turns one sample into what two views need; the same for the same seed, epoch and key."""

    settings: object  # `soundstage.pretrain.settings.Settings`
    views: str  # as settings.run.views, or "plain": the original, centred, without augmentation
    languages: tuple
    weights: np.ndarray  # (languages,) of `sampler.language_weights`
    seed: int
    dubbed: bool = True  # whether only clips with a dub are read, by whichever arm

    def wanted(self, about, _sample):
        """Return whether all arms of a comparison read a clip."""
        return about["split"] == "train" and (len(set(about["languages"])) > 1 or not self.dubbed)

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
        """Return what `tracks` does of a clip."""
        clip = about["film"], about["original_language"], about["languages"]
        return tracks(*clip, self.languages, self.settings.run.most_dubs, self.seed)

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

    What was left out: (key, why, shard or key, clips). The share is None where too many clips are broken, and
    a UserError is yielded instead of raised: a `DataLoader` would wrap it into a traceback.
    """

    def __init__(self, composers, reader, clips, done):
        self.composers, self.reader, self.clips, self.done = composers, reader, clips, done

    def __iter__(self):
        info = get_worker_info()
        # the loader asks worker 0 first; after a resume that must be whoever is next in turn
        worker = 0 if info is None else (info.id + self.done) % len(self.composers)
        try:
            yield from self._shares(worker)
        except UserError as error:
            yield error

    def _shares(self, worker):
        composer = Composer(**self.composers[worker], wanted=self.reader.wanted)
        take = Counted(self.reader, self.clips)
        while True:
            items, last = None, []
            try:
                items = composer.next_batch(take)
            except Hopeless as hopeless:
                last = [hopeless.args]
            report = [
                (key, why, take.shard_of.get(key, key), composer.lost.get(key, 1))
                for key, why in composer.report + last
            ]
            composer.report = []
            lost = sum(clips for *_, clips in report)
            if items is None:
                yield None, report, lost, None
                return
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
        self.reader = reader_of(shards, settings, seed)
        kinds, _ = shards.shared(settings.minimum_dub_clips)
        self.paths, self.clips = list(kinds), total(kinds)
        check_described(shards, loader.broken_percent)
        shares = shared_out({path: films_of(some) for path, some in kinds.items()}, processes, seed)
        check_readers(shares, settings, self.workers)
        self.mine = shares[rank]
        if views:
            self.reader = dataclasses.replace(self.reader, views=views)
        else:
            self._tell(shards)
            check_pictures(self.paths, settings)
        self.done, self.tried, self.broken, self.iterator = 0, 0, {}, None
        self.broken_in = collections.Counter()  # shard -> broken clips met
        self.composers = [None] * max(1, self.workers)  # their states after the batches given

    def _tell(self, shards):
        """Say it where too few clips have a dub; one process speaks for all."""
        if self.reader.dubbed or self.rank:
            return
        say(
            f"{total(shards.dubbed())} training clips have a dub, fewer than minimum_dub_clips = "
            f"{self.settings.minimum_dub_clips}: all {self.clips} clips are used, and where the arm asks for dubs, "
            "originals are"
        )

    def state(self):
        """Return where this process is: batches given, clips tried, the broken ones met, its composers."""
        return {
            "done": self.done,
            "tried": self.tried,
            "broken": dict(self.broken),
            "broken_in": dict(self.broken_in),
            "composers": list(self.composers),
        }

    def restore(self, state):
        """Go on from `state`; comes before the first batch."""
        self.done, self.tried, self.broken = state["done"], state["tried"], dict(state["broken"])
        self.broken_in, self.composers = collections.Counter(state["broken_in"]), list(state["composers"])

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
            "broken": sorted(self.shards.broken),
        }
        composers = [{**common, "reader": worker, "state": self.composers[worker]} for worker in range(workers)]
        batches = Batches(composers, self.reader, self.clips, self.done)
        if not self.workers:
            return iter(batches)
        loader = DataLoader(batches, batch_size=None, num_workers=self.workers, worker_init_fn=_plain_signals)
        return iter(loader)

    def next_share(self):
        """Return this process's share of the next batch, arrays by name; counts what was broken."""
        if self.iterator is None:
            self.iterator = self._start()
        found = next(self.iterator)
        if isinstance(found, UserError):
            raise found
        share, report, tried, self.composers[self.done % len(self.composers)] = found
        self.done += 1
        self.tried += tried
        for key, reason, shard, clips in report:
            say(f"left out: {key}: {reason}")
            self.broken_in[shard] += 0 if key in self.broken else clips
            self.broken[key] = reason
        most, broken = self.settings.loader.broken_percent, sum(self.broken_in.values())
        if share is None or too_many(broken, max(self.broken_in.values(), default=0), self.tried, self.clips, most):
            raise error_of(
                f"{broken} clips of {self.tried} tried, of {self.clips} in all, are broken", self.broken, most
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


def films_of(kinds):
    """Return {film: clips} of a shard's kinds."""
    films = collections.Counter()
    for kind in kinds:
        films[kind.film] += kind.clips
    return dict(films)


def check_readers(shares, settings, workers):
    """Raise a UserError when a reader would have no shard, or shares of a batch would differ.

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
    if settings.batch_clips % processes:
        raise UserError(
            f"a batch of {settings.batch_clips} clips cannot be shared by {processes} processes",
            "pretrain.batch_clips",
            f"choose a multiple of {processes}",
        )


def check_pictures(paths, settings):
    """Raise a UserError when pictures would have to be enlarged by much, as a few of the shards show."""
    asked, largest = settings.loader.short_side_min, settings.loader.short_side_max
    for path in paths[:: -(-len(paths) // LOOKED_AT)] if asked else ():
        found = short_side(path)
        if found is not None and found < ENLARGED * asked:
            raise UserError(
                f"the shorter side of the pictures in {path} has {found} pixels, expected {asked} to {largest}",
                "shards.short_side_pixels, pretrain.loader.short_side_min",
                f"write the shards with shards.short_side_pixels: {largest + largest % 2}, or lower "
                "pretrain.loader.short_side_min and short_side_max",
            )


def short_side(path):
    """Return the pixels of the shorter side of a shard's first picture, None where none can be read."""
    for sample in listing(path)[0][:LOOKED_AT]:
        try:
            if "mp4" in sample.members:
                return min(decode_clip(sample.read("mp4"), [0]).shape[1:3])
            return min(decode_jpeg(sample.read("000.jpg")).shape[:2])
        except Exception:  # a broken clip is counted when its turn comes
            continue
    return None


def _plain_signals(_worker):
    """Let workers die of the signals that the training turns into a checkpoint."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
