"""When broken clips stop a training from shards: as soon as there are too many for sure, and not before."""

import collections

from scipy.special import betainc

from soundstage.errors import UserError

DOUBT = 1e-4  # chance of as many broken clips among those tried when no more than the limit are broken


def too_many(broken, worst, tried, clips, percent):
    """Return whether more than `percent` of the clips are broken beyond doubt.

    broken: different clips found broken; worst: how many of them are in the shard that has most;
    tried: clips tried; clips: those of the whole corpus. True when what was found is more than that
    share of the whole, or when the lower bound of the share (Clopper and Pearson's, binomial, one
    side, 99.99 %) is above the limit even without the worst shard: clips of a film break together,
    and one bad film says little about the others.
    """
    if 100 * broken > percent * clips:
        return True
    elsewhere = broken - worst
    # the chance of so many or more among those tried, with a share of `percent`
    return elsewhere > 0 and betainc(elsewhere, tried - elsewhere + 1, percent / 100) < DOUBT


def error_of(found, reasons, percent):
    """Return the UserError of too many broken clips. found: how many of how many; reasons: {key: why}."""
    first = "; ".join(f"{key}: {reason}" for key, reason in list(reasons.items())[:3])
    return UserError(
        f"{found}, more than {percent} %: {first}",
        "pretrain.loader.broken_percent",
        "write these shards again, or raise the share",
    )


def check_described(shards, percent):
    """Raise a UserError when more than `percent` of all clips cannot be described."""
    every = shards.clips + shards.lost
    if 100 * shards.lost > percent * every:
        raise error_of(f"{shards.lost:.0f} of {every:.0f} clips cannot be described", shards.broken, percent)


class Hopeless(BaseException):
    """Too many clips are broken: ends a batch that would never be full. Arguments: key and why of the last one.

    Not an `Exception`, since that is what a composer takes for one more broken clip.
    """


class Counted:
    """Takes clips as a `Reader` does, and notes which shards the broken ones are in."""

    def __init__(self, reader, clips):
        self.reader, self.clips, self.tried = reader, clips, 0
        self.shard_of, self.broken_in = {}, collections.Counter()

    def __call__(self, sample, about, epoch):
        """Return what `Reader.take` does, or raise; `Hopeless` when there are too many broken clips."""
        self.tried += 1
        try:
            return self.reader.take(sample, about, epoch)
        except Exception as error:
            if sample.key not in self.shard_of:
                self.shard_of[sample.key] = sample.path
                self.broken_in[sample.path] += 1
            worst = max(self.broken_in.values())
            percent = self.reader.settings.loader.broken_percent
            if too_many(len(self.shard_of), worst, self.tried, self.clips, percent):
                raise Hopeless(sample.key, f"{type(error).__name__}: {error}") from None
            raise
