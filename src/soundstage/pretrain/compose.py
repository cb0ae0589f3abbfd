"""Which clips meet in a batch when shards are read as they lie: random, of many films, apart.

Every reader (a worker of a process) has shards of its own in an epoch, dealt anew for the next one.
It draws from a few of them at a time. All that it does follows from seed, epoch and reader, so that
a training goes on where it was by composing again, without decoding, what it has already seen.
"""

from soundstage.errors import UserError
from soundstage.pretrain.tars import listing
from soundstage.units import rng_of

BARREN_EPOCHS = 3  # so many epochs that do not fill one batch stop the training
WAITING_BATCHES = 8  # so many batches of clips of other films waiting: the group of films does not suffice


def dealt(paths, seed, epoch, reader, readers):
    """Return the shards of one reader in an epoch, in random order; each goes to one reader."""
    order = rng_of(seed, "shards", epoch).permutation(len(paths))
    return [paths[number] for number in order[reader::readers]]


class Pool:
    """The samples of an epoch of one reader, each once, drawn from a few open shards at a time."""

    def __init__(self, paths, open_shards, rng):
        self.waiting, self.open_shards, self.rng = list(paths), open_shards, rng
        self.samples, self.left = [], {}
        self.truncated = []  # (path, why) of shards that end early

    def pop(self):
        """Return a sample, or None when the epoch is over."""
        while self.waiting and len(self.left) < self.open_shards:
            self._open(self.waiting.pop(0))
        if not self.samples:
            return None
        place = int(self.rng.integers(len(self.samples)))
        self.samples[place], self.samples[-1] = self.samples[-1], self.samples[place]
        sample = self.samples.pop()
        self.left[sample.path] -= 1
        if not self.left[sample.path]:
            del self.left[sample.path]
        return sample

    def _open(self, path):
        samples, reason = listing(path)
        if reason:
            self.truncated.append((path, f"the shard ends early: {reason}"))
        if samples:
            self.samples += samples
            self.left[str(path)] = len(samples)


class Composer:
    """Batches of one reader, one after the other.

    take(sample, about, epoch) -> an item of a batch, or raises for a broken sample; with take=None
    nothing is decoded. `report` gathers (key, why) of what was left out since the last batch. A batch
    is filled from `film_group` films as far as they suffice, from as many as there are when it is None.
    """

    def __init__(
        self, paths, batch, film_clips, open_shards, seed, reader=0, readers=1, broken=(), wanted=None, film_group=None
    ):
        self.paths, self.batch, self.film_clips, self.open_shards = paths, batch, film_clips, open_shards
        self.film_group = film_group
        self.seed, self.reader, self.readers = seed, reader, readers
        self.broken, self.wanted = set(broken), wanted
        self.held, self.report, self.epoch = [], [], -1
        self.seen_truncated = set()
        self._next_epoch()

    def _next_epoch(self):
        self.epoch += 1
        mine = dealt(self.paths, self.seed, self.epoch, self.reader, self.readers)
        self.pool = Pool(mine, self.open_shards, rng_of(self.seed, "draw", self.epoch, self.reader))

    def next_batch(self, take=None):
        """Return the items of the next batch (keys when take is None)."""
        chosen, counts, windows, barren, group = [], {}, {}, 0, self.film_group
        held, self.held = self.held, []
        while len(chosen) < self.batch:
            entry = held.pop(0) if held else self._draw()
            if group and (entry is None or len(self.held) > WAITING_BATCHES * self.batch):
                held = self.held + ([entry] if entry else []) + held
                group, self.held = None, []
                continue
            if entry is None:
                barren += 1
                if barren == BARREN_EPOCHS:
                    raise UserError(self._too_few(len(chosen)), "pretrain.batch_clips", FIX)
                self._next_epoch()
                continue
            sample, about, epoch = entry
            if not fits(about, counts, windows, self.film_clips, group):
                self._hold(entry)
                continue
            item = self._taken(take, sample, about, epoch)
            if item is not None:
                chosen.append(item)
                counts[about["film"]] = counts.get(about["film"], 0) + 1
                windows.setdefault(about["film"], []).append((about["start_seconds"], about["end_seconds"]))
        self.held += held
        return chosen

    def _draw(self):
        """Return (sample, its description, epoch) of a usable clip, or None at the end of an epoch."""
        while (sample := self.pool.pop()) is not None:
            self._note_truncated()
            if sample.key in self.broken:
                continue
            try:
                about = sample.about()
                found = about["film"], float(about["start_seconds"]), float(about["end_seconds"])
            except Exception as error:
                self._leave_out(sample.key, f"no description: {error}")
                continue
            if found and (self.wanted is None or self.wanted(about, sample)):
                return sample, about, self.epoch
        self._note_truncated()
        return None

    def _note_truncated(self):
        for path, reason in self.pool.truncated:
            if path not in self.seen_truncated:
                self.seen_truncated.add(path)
                self.report.append((str(path), reason))
        self.pool.truncated.clear()

    def _taken(self, take, sample, about, epoch):
        if take is None:
            return sample.key
        try:
            return take(sample, about, epoch)
        except Exception as error:  # whatever is wrong with a file of the user's, the training goes on
            self._leave_out(sample.key, f"{type(error).__name__}: {error}")
            return None

    def _leave_out(self, key, reason):
        self.broken.add(key)
        self.report.append((key, reason))

    def _hold(self, entry):
        if all(entry[0].key != sample.key for sample, _, _ in self.held):
            self.held.append(entry)

    def _too_few(self, found):
        return (
            f"{BARREN_EPOCHS} passes over {len(self.paths)} shards gave only {found} clips that may meet in a batch "
            f"of {self.batch} (at most {self.film_clips} of a film, no two that overlap)"
        )


FIX = "lower pretrain.batch_clips, raise pretrain.film_clips, or give shards of more films"


def fits(about, counts, windows, film_clips, film_group=None):
    """Return whether a clip may join a batch: few of its film, of few films, and no overlapping window."""
    count = counts.get(about["film"], 0)
    if count >= film_clips or (film_group and not count and len(counts) >= film_group):
        return False
    start, end = about["start_seconds"], about["end_seconds"]
    return all(end <= first or start >= last for first, last in windows.get(about["film"], []))
