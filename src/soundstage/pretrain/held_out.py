"""The held-out windows that retrieval is measured on, a piece at a time.

Each process has a share of them. From shards they are decoded anew for every evaluation, so that
memory is that of a piece however many there are.
"""

from dataclasses import dataclass

import numpy as np

from soundstage.cli import say
from soundstage.pretrain import sampler
from soundstage.pretrain.prepare import decode_picture, decode_sounds
from soundstage.pretrain.retrieval import held_out
from soundstage.pretrain.tars import listing
from soundstage.units import rng_of

PIECE_CLIPS = 64  # decoded and embedded at a time
SPLITS = ("valid", "test")
FIRST = 8  # clips of a tar, of which one must say the film
DRAWN_FOR_ONE = 4  # clips of a film whose places are read for each one that is wanted: some overlap


@dataclass(frozen=True)
class Piece:
    """Some held-out windows."""

    split: np.ndarray  # (n,) str
    sounds: dict  # "original", perhaps "speech_removed": (n, mels, mel frames) float, NaN where there is none
    pictures: np.ndarray  # (n, frames, height, width, 3) uint8


def kinds_of_sound(views):
    """Return what the audio tower hears: the original in every arm; without speech where it was trained so."""
    return ("original", "speech_removed") if views == "speech_removed" else ("original",)


class FromInputs:
    """Held-out windows of `soundstage.pretrain.clips.Clips` in memory."""

    broken = {}

    def __init__(self, clips, settings, group):
        self.clips, self.views, self.piece = clips, settings.run.views, piece_clips(settings)
        self.rows = held_out(clips)["held_out"][group.rank :: group.processes]

    def pieces(self, splits=SPLITS):
        """Yield this process's `Piece`s of some splits."""
        rows = self.rows[np.isin(self.clips.split[self.rows], splits)]
        for start in range(0, len(rows), self.piece):
            part = rows[start : start + self.piece]
            places = {"original": self.clips.original[part], "speech_removed": self.clips.nospeech[part]}
            sounds = {kind: self._sounds(places[kind]) for kind in kinds_of_sound(self.views)}
            yield Piece(self.clips.split[part], sounds, self.clips.pictures[part])

    def _sounds(self, places):
        return np.where(places[:, None, None] >= 0, self.clips.sounds[places], np.float16(np.nan))


class FromShards:
    """Held-out windows in tars; `broken`: {key: why} of what this process could not use."""

    def __init__(self, paths, settings, seed, group):
        self.paths, self.settings, self.seed, self.group = paths, settings, seed, group
        self.chosen, self.broken = None, {}

    def pieces(self, splits=SPLITS):
        """Yield this process's `Piece`s of some splits; broken clips are named once and left out."""
        if self.chosen is None:
            most = self.settings.loader.held_out_clips
            every, broken = choose(self.paths, most, self.seed)
            self.chosen = every[self.group.rank :: self.group.processes]
            if self.group.first:
                self._leave_out(broken)
        wanted = [entry for entry in self.chosen if entry[1]["split"] in splits]
        size = piece_clips(self.settings)
        for start in range(0, len(wanted), size):
            found = [item for entry in wanted[start : start + size] if (item := self._decoded(*entry))]
            if found:
                split, sounds, pictures = zip(*found, strict=True)
                sounds = {kind: np.stack([sound[kind] for sound in sounds]) for kind in sounds[0]}
                yield Piece(np.array(split), sounds, np.stack(pictures))

    def _decoded(self, sample, about):
        """Return (split, {kind: sound}, pictures) of a clip, or None when it is broken."""
        if sample.key in self.broken:
            return None
        try:
            sounds = {kind: self._sound(sample, about, kind) for kind in kinds_of_sound(self.settings.run.views)}
            seen = {name: sample.read(name) for name in sample.members if name.endswith(("mp4", "jpg"))}
            return about["split"], sounds, decode_picture(seen, self.settings.model.inputs)
        except Exception as error:  # whatever is wrong with a file of the user's, the others are measured
            self._leave_out({sample.key: f"{type(error).__name__}: {error}"})
            return None

    def _sound(self, sample, about, kind):
        """Return (mels, mel frames) float16."""
        inputs = self.settings.model.inputs
        name = about["original_language"] + (".nospeech.flac" if kind == "speech_removed" else ".flac")
        if kind == "speech_removed" and name not in sample.members:
            return np.full((inputs.mels, inputs.mel_frames), np.nan, np.float16)
        return decode_sounds([sample.read(name)], inputs)[0]

    def _leave_out(self, broken):
        for key, reason in broken.items():
            say(f"left out of the retrieval: {key}: {reason}")
        self.broken |= broken


def piece_clips(settings):
    """Return how many clips are embedded at a time: no more than a training step embeds."""
    return min(PIECE_CLIPS, settings.engine.piece_clips or PIECE_CLIPS)


def choose(paths, most, seed):
    """Return ([(sample, its description)], {key: why} of what cannot be used): `most` held-out clips or fewer.

    One of each film in turn, films and clips in random order; no two windows of a film overlap. Of
    the other clips only headers, and the descriptions of a few, are read.
    """
    broken = {}
    films = _films(paths, broken)
    order = [sorted(films)[place] for place in rng_of(seed, "held-out films").permutation(len(films))][:most]
    wanted = DRAWN_FOR_ONE * -(-most // max(1, len(order)))
    queues = [_apart(films[film], wanted, rng_of(seed, "held-out clips", film), broken) for film in order]
    turns = [entry for turn in range(most) for queue in queues for entry in queue[turn : turn + 1]]
    return turns[:most], broken


def _films(paths, broken):
    """Return {film: its tars}; what cannot be read goes into `broken`."""
    films = {}
    for path in sorted(map(str, paths)):
        for sample in _samples(path, broken, FIRST):
            if about := _about(sample, broken):
                films.setdefault(about["film"], []).append(path)
                break
    return films


def _samples(path, broken, most=None):
    try:
        samples, reason = listing(path, most)[:2]
    except OSError as error:
        samples, reason = [], f"cannot read the shard ({error.strerror})"
    if reason:
        broken[path] = reason
    return samples


def _about(sample, broken):
    """Return a sample's description, {} when it has none that can be used, which goes into `broken`."""
    try:
        about = sample.about()
        place = {name: float(about[name]) for name in ("start_seconds", "end_seconds")}
        return {name: str(about[name]) for name in ("film", "split", "original_language")} | place
    except Exception as error:  # whatever stands there instead of a description
        broken[sample.key] = f"no description: {type(error).__name__}: {error}"
        return {}


def _apart(paths, wanted, rng, broken):
    """Return [(sample, description)] of `wanted` clips of a film or fewer, none of which overlap, in random order."""
    samples = [sample for path in paths for sample in _samples(path, broken)]
    drawn = [samples[place] for place in rng.permutation(len(samples))[:wanted]]
    found = [(sample, about) for sample in drawn if (about := _about(sample, broken)) and about["split"] in SPLITS]
    if not found:
        return []
    fields = [np.array([about[name] for _, about in found]) for name in ("film", "start_seconds", "end_seconds")]
    return [found[place] for place in rng.permutation(sampler.apart(*fields))]
