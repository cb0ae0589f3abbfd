"""Which clips meet in a batch when shards are read as they lie: random, of many films, apart.

All shards of a film belong to one process, whose workers are dealt them anew every epoch. A reader (such a
worker) composes whole shares of batches from a few open shards. What it does follows from seed, process,
reader and the number of the batch, and from its `state`, with which another one goes on where it was.
"""

import bisect
from pathlib import Path
from typing import NamedTuple

import numpy as np

from soundstage.errors import UserError
from soundstage.pretrain.tars import listing, unread
from soundstage.units import rng_of

BARREN_EPOCHS = 3  # so many epochs that do not fill one batch stop the training
NAMED = 3  # so many of the clips left out are named where a batch cannot be filled


def shared_out(films, processes, seed):
    """Return the shards of every process, each film's in one of them, about as many clips in each.

    films: {path: {film: clips}}. Shares of one batch are composed in processes that do not talk, and that
    end an epoch at different batches: only a film that never moves from one to another can be kept from
    meeting itself. Its limit is then that of its process, so that it need not be a multiple of their
    number, and no reader needs to know of clips that are not its own. Workers of a process may have parts
    of one film, since every share is one worker's. Shards that share films stay together.
    """
    groups = _together(films)
    clips = [sum(sum(films[path].values()) for path in group) for group in groups]
    order = rng_of(seed, "films").permutation(len(groups))
    shares, loads = [[] for _ in range(processes)], [0] * processes
    for number in sorted(order, key=lambda number: -clips[number]):
        least = loads.index(min(loads))
        shares[least] += groups[number]
        loads[least] += clips[number]
    return [sorted(share) for share in shares]


def _together(films):
    """Return lists of the shards that have a film in common, directly or by way of others."""
    of = {name: name for names in films.values() for name in names}  # film -> another of its group, or itself

    def first(name):
        while of[name] != name:
            of[name] = name = of[of[name]]
        return name

    for one, *others in films.values():
        for other in others:
            of[first(other)] = first(one)
    groups = {}
    for path in sorted(films):
        groups.setdefault(first(next(iter(films[path]))), []).append(path)
    return list(groups.values())


def dealt(paths, seed, epoch, reader, readers):
    """Return the shards of one reader in an epoch, in random order; each goes to one reader."""
    order = rng_of(seed, "shards", epoch).permutation(len(paths))
    return [paths[number] for number in order[reader::readers]]


class Waiting(NamedTuple):
    """A clip of an open shard that waits for its batch."""

    start_seconds: float
    end_seconds: float
    path: str
    number: int  # of the sample in its shard
    sample: object  # `soundstage.pretrain.tars.Sample`
    epoch: int


class Opened:
    """Which samples of an open shard wait, as bits of numbers: those of earlier epochs, those of this one."""

    def __init__(self, epoch, older=0, fresh=0):
        self.epoch, self.older, self.fresh = epoch, older, fresh

    def remove(self, number):
        """Take out a sample that has left."""
        self.older &= ~(1 << number)
        self.fresh &= ~(1 << number)


class Pool:
    """The clips that wait, by film; those of a shard in random order."""

    def __init__(self, seed):
        self.seed, self.opened, self.queues = seed, {}, {}

    def add(self, path, epoch, clips, older=0, fresh=None):
        """Let clips of a shard wait; those that already do come first, and once.

        clips: {number of the sample: (film, start_seconds, end_seconds, sample)}; older, fresh: which of them
        wait, as bits; all when fresh is None.
        """
        if path in self.opened:
            before = self.opened.pop(path)
            older |= before.older | before.fresh
            for film, queue in self.queues.items():
                self.queues[film] = [clip for clip in queue if clip.path != path]
        every = sum(1 << number for number in clips)
        older &= every
        fresh = every & ~older if fresh is None else fresh & every
        self.opened[path] = Opened(epoch, older, fresh)
        # a clip's place depends on its number alone, not on which others have turned out to be broken
        places = rng_of(self.seed, "order", epoch, Path(path).name).random(max(clips, default=-1) + 1)
        order = sorted(clips, key=places.__getitem__)
        for some in (older, fresh):
            for number in order:
                if some >> number & 1:
                    film, start, end, sample = clips[number]
                    self.queues.setdefault(film, []).append(Waiting(start, end, path, number, sample, epoch))

    def close(self):
        """Forget the shards and films of which nothing waits any longer."""
        self.opened = {path: one for path, one in self.opened.items() if one.older or one.fresh}
        self.queues = {film: queue for film, queue in self.queues.items() if queue}

    def films(self, spent=()):
        """Return the films of which clips wait, but for those spent; sorted, whenever they were opened."""
        return sorted(film for film, queue in self.queues.items() if queue and film not in spent)

    def some(self, films, count, rng):
        """Return `count` of these films at random, all when there are fewer; the more clips wait, the likelier."""
        if count is None or count >= len(films):
            return list(films)
        chosen = rng.choice(len(films), count, replace=False, p=self._shares(films))
        return [films[place] for place in chosen]

    def draws(self, films, count, rng):
        """Return which film each of the next `count` clips is to be of: random, the likelier the more wait."""
        if len(films) == 1:
            return films * count
        return [films[place] for place in rng.choice(len(films), count, p=self._shares(films)).tolist()]

    def _shares(self, films):
        waiting = np.array([len(self.queues[film]) for film in films], float)
        return waiting / waiting.sum()


class Meeting:
    """The clips of one batch by film: how far each film's queue was searched, and which windows have met.

    A clip that does not fit into a batch will not fit later on either, so that every queue is walked once.
    """

    def __init__(self, film_clips):
        self.film_clips, self.places, self.windows = film_clips, {}, {}
        self.spent = set()  # films that give no more clips
        self.epochs = 0  # epochs that ended before the batch was full

    def next_of(self, film, queue):
        """Remove and return the next clip of a film's queue that fits, or None."""
        place, windows = self.places.get(film, 0), self.windows.setdefault(film, [])
        if len(windows) < self.film_clips:
            while place < len(queue) and not fits(queue[place], windows):
                place += 1
            self.places[film] = place
            if place < len(queue):
                return queue.pop(place)
        self.spent.add(film)
        return None

    def join(self, film, clip):
        """Note that a clip is in the batch."""
        bisect.insort(self.windows[film], clip[:2])

    def renew(self, films):
        """Search these films again, whose queues have changed."""
        self.spent.difference_update(films)
        for film in films:
            self.places.pop(film, None)


def fits(clip, windows):
    """Return whether a clip overlaps none of the windows, sorted (start, end) that do not overlap either."""
    place = bisect.bisect_left(windows, clip[:2])
    before, after = windows[place - 1 : place], windows[place : place + 1]
    return all(end <= clip.start_seconds for _, end in before) and all(start >= clip.end_seconds for start, _ in after)


class Composer:
    """Shares of batches of one reader, one after the other.

    take(sample, about, epoch) -> an item of a batch, or raises for a broken sample; with take=None
    nothing is decoded. `report` gathers (key of a clip or path of a shard, why) of what was left out since
    the last batch, `lost` how many clips a shard in it has lost. A share is filled from `film_group` films
    as far as they suffice, from all in the open shards when it is None. state: of another composer.
    """

    def __init__(
        self,
        paths,
        batch,
        film_clips,
        open_shards,
        seed,
        reader=0,
        readers=1,
        broken=(),
        wanted=None,
        film_group=None,
        process=0,
        processes=1,
        state=None,
    ):
        self.paths, self.batch, self.film_clips, self.open_shards = paths, batch, film_clips, open_shards
        self.film_group, self.wanted, self.processes = film_group, wanted, processes
        self.seed, self.process, self.reader, self.readers = seed, process, reader, readers
        self.known, self.broken = set(broken), {}  # what others have named; what this one has, and why
        self.report, self.lost, self.passed_over = [], {}, 0
        self.number, self.epoch, self.pool = 0, -1, Pool(seed)
        if state is None:
            self._next_epoch()
        else:
            self._restore(state)

    def state(self):
        """Return where this composer is, in what JSON can hold; its size is that of the open shards."""
        places = {path: place for place, path in enumerate(self.paths)}
        opened = [
            [places[path], one.epoch, f"{one.older:x}", f"{one.fresh:x}"] for path, one in self.pool.opened.items()
        ]
        return {
            "number": self.number,
            "epoch": self.epoch,
            "begun": self.begun,
            "opened": opened,
            "broken": dict(self.broken),
        }

    def _restore(self, state):
        self.number, self.epoch, self.broken = state["number"], state["epoch"] - 1, dict(state["broken"])
        self._next_epoch()
        self.begun = state["begun"]
        for place, epoch, older, fresh in state["opened"]:
            path = self.paths[place]
            self.pool.add(path, epoch, self._clips(path), int(older, 16), int(fresh, 16))

    def _next_epoch(self):
        self.epoch += 1
        self.mine = dealt(self.paths, self.seed, self.epoch, self.reader, self.readers)
        self.begun = 0  # how many of them have been opened

    def next_batch(self, take=None):
        """Return the items of the next share (keys when take is None); UserError when it cannot be filled."""
        rng = rng_of(self.seed, "draw", self.process, self.reader, self.number)
        while len(self.pool.opened) < self.open_shards and self._open_next() is not None:
            pass
        meeting, chosen = Meeting(self.film_clips), []
        films = self.pool.some(self.pool.films(), self.film_group, rng)
        while (needed := self.batch - len(chosen)) > 0:
            films = [film for film in films if film not in meeting.spent and self.pool.queues[film]]
            films = films or self._more_films(meeting, needed, rng)
            for film in self.pool.draws(films, needed, rng):
                if film not in meeting.spent and (clip := meeting.next_of(film, self.pool.queues[film])):
                    self._fill(chosen, meeting, film, clip, take)
        self.pool.close()
        self.number += 1
        return chosen

    def _more_films(self, meeting, needed, rng):
        """Return as many other films as can give the clips needed, of newly opened shards where there is no other."""
        while not (films := self.pool.films(meeting.spent)):
            if (added := self._open_next()) is not None:
                meeting.renew(added)
                continue
            meeting.epochs += 1
            if meeting.epochs == BARREN_EPOCHS:
                raise self._too_few(self.batch - needed)
            self._next_epoch()
        return self.pool.some(films, -(-needed // self.film_clips), rng)

    def _fill(self, chosen, meeting, film, clip, take):
        """Add a clip to the batch unless it is broken."""
        self.pool.opened[clip.path].remove(clip.number)
        try:
            chosen.append(clip.sample.key if take is None else take(clip.sample, clip.sample.about(), clip.epoch))
        except Exception as error:  # whatever is wrong with a file of the user's, the training goes on
            self._leave_out(clip.sample.key, f"{type(error).__name__}: {error}")
        else:
            meeting.join(film, clip)

    def _open_next(self):
        """Open the next shard of the epoch and return the films of its clips; None when there is no other."""
        if self.begun == len(self.mine):
            return None
        path = self.mine[self.begun]
        self.begun += 1
        clips = self._clips(path)
        if clips:
            self.pool.add(path, self.epoch, clips)
        return {film for film, *_ in clips.values()}

    def _clips(self, path):
        """Return {number: (film, start_seconds, end_seconds, sample)} of the usable clips of a shard."""
        try:
            samples, loss = listing(path)
        except OSError as error:
            samples, loss = [], unread(path, error)
        if loss and path not in self.known and path not in self.broken:
            self.lost[path] = loss.clips
            self._leave_out(path, str(loss))
        clips = {}
        for number, sample in enumerate(samples):
            if sample.key not in self.known and sample.key not in self.broken and (clip := self._described(sample)):
                clips[number] = clip
        return clips

    def _described(self, sample):
        """Return (film, start_seconds, end_seconds, sample), or None for what cannot or need not be read."""
        try:
            about = sample.about()
            clip = str(about["film"]), float(about["start_seconds"]), float(about["end_seconds"]), sample
            wanted = self.wanted is None or self.wanted(about, sample)
        except Exception as error:  # whatever stands there instead of a description
            return self._leave_out(sample.key, f"no description: {type(error).__name__}: {error}")
        self.passed_over += not wanted
        return clip if wanted else None

    def _leave_out(self, key, reason):
        self.broken[key] = reason
        self.report.append((key, reason))

    def _too_few(self, found):
        """Return the UserError of a batch that cannot be filled, which names what was left out."""
        batch = "a batch" if self.processes == 1 else f"one of {self.processes} processes' share of a batch,"
        what = (
            f"{BARREN_EPOCHS} passes over {len(self.paths)} shards gave only {found} clips that may meet in {batch} "
            f"of {self.batch} (at most {self.film_clips} of a film, no two that overlap)"
        )
        if self.passed_over:
            what += f"; {self.passed_over} times a clip was passed over that the training does not use"
        out = [f"{key}: {reason}" for key, reason in self.broken.items()]
        if len(self.known) or out:
            what += f"; {len(self.known) + len(out)} clips or shards were left out: {'; '.join(out[:NAMED])}"
        fix = "lower pretrain.batch_clips, raise pretrain.film_clips, or give shards of more films"
        if self.readers > 1:
            fix += ", or lower pretrain.loader.workers, so that each has more films"
        return UserError(what, "pretrain.batch_clips", f"write the broken shards again; {fix}" if out else fix)
