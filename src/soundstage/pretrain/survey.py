"""What the clips of shards say of themselves: read once before a training, all of it, nothing decoded."""

import collections
import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path

from soundstage.cli import progress, say
from soundstage.errors import UserError
from soundstage.files import write_json
from soundstage.pretrain.tars import listing, told_clips, unread

SLOW_SECONDS = 30.0  # reading that takes longer is kept for the next start
NAMED = 10  # so many broken clips are named before the training, the others counted


@dataclass(frozen=True)
class Kind:
    """Clips of a shard that are alike in all that decides who may hear what of them."""

    film: str
    split: str
    original: str
    languages: tuple  # sorted, the original among them
    nospeech: bool  # the original without its speech is there, too
    clips: int  # how many


@dataclass(frozen=True)
class Shards:
    """What is known of some tars: their clips, and what cannot be described."""

    kinds: dict  # path -> list of `Kind`; no tar without one
    broken: dict  # key of a clip, or path of a tar that is damaged or cannot be read -> why
    lost: float  # clips that these are; a tar of which nothing can be told counts as the mean of the others

    @property
    def train(self):
        """Return the paths of the tars with training clips."""
        return tuple(self.of_split("train"))

    @property
    def held_out(self):
        """Return the paths of the tars with validation or test clips and none for training."""
        train = self.of_split("train")
        return tuple(path for path in self.of_split("valid", "test") if path not in train)

    @property
    def clips(self):
        """Return how many clips can be described."""
        return sum(kind.clips for kinds in self.kinds.values() for kind in kinds)

    @property
    def languages(self):
        """Return the names of all languages, sorted; of all splits, as the columns of prepared inputs are."""
        return tuple(sorted({name for kinds in self.kinds.values() for kind in kinds for name in kind.languages}))

    def of_split(self, *splits):
        """Return {path: its kinds of these splits}, without the tars that have none."""
        chosen = {path: [kind for kind in kinds if kind.split in splits] for path, kinds in self.kinds.items()}
        return {path: kinds for path, kinds in chosen.items() if kinds}

    def dubbed(self):
        """Return {path: its kinds of training clips with a dub}, without the tars that have none."""
        every = self.of_split("train")
        chosen = {path: [kind for kind in kinds if len(kind.languages) > 1] for path, kinds in every.items()}
        return {path: kinds for path, kinds in chosen.items() if kinds}

    def shared(self, minimum_dub_clips):
        """Return ({path: kinds}, whether they are dubbed): the training clips that all arms of a comparison read.

        Those with a dub, or all when fewer than `minimum_dub_clips` have one.
        """
        dubbed = self.dubbed()
        return (self.of_split("train"), False) if total(dubbed) < minimum_dub_clips else (dubbed, True)


def total(kinds):
    """Return how many clips there are in {path: kinds}."""
    return sum(kind.clips for some in kinds.values() for kind in some)


def survey(paths, kept=None, group=None):
    """Return the `Shards` of some tars, from the descriptions of all their clips.

    kept: JSON file for what was read, written when it took long; a tar whose size and time of change
    are the same is not read again. group: `soundstage.pretrain.group.Group` of the processes that
    share the reading. UserError when no tar is for training.
    """
    begun, paths = time.monotonic(), sorted(map(str, paths))
    known, first = _kept(kept), group is None or group.first
    mine = paths if group is None else paths[group.rank :: group.processes]
    read = {path: _known_or_read(path, known) for path in (_spoken(mine) if first else mine)}
    shares = [read] if group is None else group.all_of(read)
    found = {path: shares[number % len(shares)][path] for number, path in enumerate(paths)}
    if kept and first and time.monotonic() - begun > SLOW_SECONDS:
        write_json(kept, found)
    shards = _joined(found)
    if first:
        _name(shards.broken)
    if not shards.train:
        why = "".join(f"; {key}: {reason}" for key, reason in list(shards.broken.items())[:3])
        raise UserError(
            f"none of {len(paths)} shards is of the split train{why}", fix="see the split column of films.tsv"
        )
    return shards


def _spoken(paths):
    return progress(paths, len(paths), "descriptions of the clips", "shards")


def _kept(path):
    """Return what an earlier start has kept, {} when there is nothing that can be read."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _known_or_read(path, known):
    """Return {"id": ..., "kinds": [fields of `Kind`], "broken": {key: why}, "lost": clips or None} of a tar."""
    try:
        about = Path(path).stat()
        mark = f"{about.st_size} {about.st_mtime_ns}"
        if known.get(path, {}).get("id") == mark:
            return known[path]
        samples, loss = listing(path)
    except OSError as error:
        mark, samples, loss = None, [], unread(path, error)
    kinds, broken = _counted(samples)
    lost = len(broken) + (loss.clips if loss else 0)
    if loss:
        broken[path] = str(loss) if samples else f"not one clip can be read: {loss}"
        lost = None if not samples and told_clips(path) is None else lost
    return {"id": mark, "kinds": kinds, "broken": broken, "lost": lost}


def _counted(samples):
    """Return ([fields of `Kind`], {key: why} of those that cannot be described)."""
    counts, broken = collections.Counter(), {}
    for sample in samples:
        try:
            counts[_fields(sample)] += 1
        except Exception as error:  # whatever stands there instead of a description
            broken[sample.key] = f"no description: {type(error).__name__}: {error}"
    return [[*fields, clips] for fields, clips in counts.items()], broken


def _fields(sample):
    """Return the fields of a clip's `Kind` but for the number of clips; some exception for what is no description."""
    about = sample.about()
    languages, original = about["languages"], about["original_language"]
    if not isinstance(languages, list) or original not in languages:
        raise ValueError(f"expected a list of languages with the original, {original}, found {languages}")
    float(about["start_seconds"]), float(about["end_seconds"])
    nospeech = f"{original}.nospeech.flac" in sample.members
    return str(about["film"]), about["split"], original, tuple(sorted(set(languages))), nospeech


def _joined(found):
    """Return the `Shards` of {path: what `_known_or_read` returns}."""
    kinds = {
        path: [Kind(film, split, original, tuple(names), *rest) for film, split, original, names, *rest in one["kinds"]]
        for path, one in found.items()
        if one["kinds"]
    }
    broken = {key: why for one in found.values() for key, why in one["broken"].items()}
    shards = Shards(kinds, broken, 0.0)
    mean = max(1.0, shards.clips / max(1, len(kinds)))
    return dataclasses.replace(shards, lost=sum(mean if one["lost"] is None else one["lost"] for one in found.values()))


def _name(broken):
    for key, reason in list(broken.items())[:NAMED]:
        say(f"left out: {key}: {reason}")
    if len(broken) > NAMED:
        say(f"left out: {len(broken) - NAMED} more that cannot be described")
