"""Which clips meet in a batch and in which languages; pure functions of seed and step.

Nothing here knows about an arm, so that all arms of a seed see the same clips in the same order.
"""

import numpy as np

from soundstage.errors import UserError
from soundstage.units import rng_of


def overlaps(film, start, end):
    """Return for every clip the set of the other clips whose windows share film with it.

    film, start, end: (n,) arrays. In one batch such clips would be each other's false negatives.
    """
    result = [set() for _ in film]
    for name in np.unique(film):
        members = np.flatnonzero(film == name)
        members = members[np.argsort(start[members], kind="stable")]
        for place, one in enumerate(members):
            for other in members[place + 1 :]:
                if start[other] >= end[one]:
                    break
                result[one].add(int(other))
                result[other].add(int(one))
    return result


def apart(film, start, end):
    """Return the indices of windows that do not overlap, the earliest first in every film."""
    chosen = []
    for name in np.unique(film):
        members = np.flatnonzero(film == name)
        last = -np.inf
        for one in members[np.argsort(start[members], kind="stable")]:
            if start[one] >= last - 1e-9:
                chosen.append(int(one))
                last = end[one]
    return np.array(sorted(chosen), np.int64)


def batch_size(film, start, end, wanted, film_clips):
    """Return the largest batch, up to `wanted`, that can always be filled under the two rules.

    A film gives at least half of its non-overlapping windows whatever is drawn first, and at most
    `film_clips`. UserError when that is less than 2 clips.
    """
    films, counts = np.unique(film[apart(film, start, end)], return_counts=True)
    possible = int(np.minimum((counts + 1) // 2, film_clips).sum())
    if possible < 2:
        raise UserError(
            f"{len(film)} training clips of {len(films)} films are too few to contrast",
            fix="give more films, or longer ones; the clips index says why windows were dropped",
        )
    return min(wanted, possible)


def schedule(film, start, end, steps, batch, film_clips, film_group, seed):
    """Return (steps, batch) int64 clip indices: every clip about once an epoch, in shuffled order.

    No two clips of a batch overlap, and at most `film_clips` are of one film; a clip that does not
    fit waits for the next batch. An epoch goes through the films in random groups of `film_group`,
    so that a clip's negatives are of few films. `batch` must not be more than `batch_size` allows.
    """
    near = overlaps(film, start, end)
    waiting, epoch, result = [], 0, []
    for _ in range(steps):
        chosen, left = _fill(waiting, near, film, batch, film_clips)
        if len(chosen) < batch:
            fresh = _epoch(film, film_group, rng_of(seed, "order", epoch))
            epoch += 1
            # once each, or a film with more clips than its share would wait in an ever longer line
            waiting = list(dict.fromkeys(waiting + fresh))
            chosen, left = _fill(waiting, near, film, batch, film_clips)
        waiting = left
        result.append(chosen)
    return np.array(result, np.int64)


def _epoch(film, film_group, rng):
    """Return all clips once, in random order inside of random groups of films."""
    order = rng.permutation(len(film))
    names = np.unique(film)
    group = dict(zip(rng.permutation(names), np.arange(len(names)) // film_group, strict=True))
    return order[np.argsort([group[name] for name in film[order]], kind="stable")].tolist()


def _fill(waiting, near, film, batch, film_clips):
    """Return (the first `batch` clips that may meet, all others in their order)."""
    chosen, blocked, later, count = [], set(), [], {}
    for place, clip in enumerate(waiting):
        if len(chosen) == batch:
            return chosen, later + waiting[place:]
        if clip in blocked or count.get(film[clip], 0) >= film_clips:
            later.append(clip)
            continue
        chosen.append(clip)
        blocked |= near[clip] | {clip}
        count[film[clip]] = count.get(film[clip], 0) + 1
    return chosen, later


def film_order(film, languages, seed):
    """Return (languages,) int64: the places of a film's languages in a random order of this film."""
    return rng_of(seed, "dub order", str(film)).permutation(languages)


def limited(present, original, orders, most_dubs):
    """Return (clips, languages) bool: `present` with the original and at most `most_dubs` others.

    present: (clips, languages) bool; original: (clips,) int column of the original; orders: (clips,
    languages) int of `film_order`, the same for all clips of a film: the first dubs are kept, so that
    fewer are part of more. 0 keeps all.
    """
    if not most_dubs:
        return present
    is_original = np.arange(present.shape[1]) == original[:, None]
    place = np.where(present & ~is_original, orders, present.shape[1])
    rank = np.argsort(np.argsort(place, axis=1, kind="stable"), axis=1)
    return present & (is_original | (rank < most_dubs))


def language_weights(present, clips=None, rounds=200):
    """Return (languages,) weights with which `two_languages` hears all languages alike.

    present: (clips, languages) bool; clips: (rows of present,) how many clips a row stands for, one
    each when None. Where a language is too rare for that, it is drawn as often as it can be.
    """
    weights = np.ones(present.shape[1])
    heard = present.any(0)
    for _ in range(rounds):
        use = _expected_use(present, weights, clips)
        ratio = np.where(heard, use[heard].mean() / np.maximum(use, 1e-9), 1.0)
        weights = np.clip(weights * np.sqrt(ratio), 1e-6, 1e6)
        weights /= weights.max()
    return np.maximum(weights, 1e-6)


def _expected_use(present, weights, clips):
    """Return how often each language is one of a clip's two, on average over the clips."""
    mass = present * weights
    total = np.maximum(mass.sum(1, keepdims=True), 1e-12)
    first = mass / total
    left = np.maximum(total - mass, 1e-12)  # what is left when a language has been drawn
    # n clips, i drawn first, j drawn second
    second = np.einsum("ni,nj->nj", first / left, mass) - first / left * mass
    return np.average(first + second, 0, clips)


def two_languages(present, weights, rng):
    """Return (primary, secondary), each (clips,) int64: two different languages of every clip.

    present: (clips, languages) bool with two or more True in a row. Drawn one after the other with
    the given weights, without replacement.
    """
    if (present.sum(1) < 2).any():
        raise ValueError("expected two languages or more in every clip")
    gumbel = rng.gumbel(size=present.shape)
    keys = np.where(present, np.log(weights) + gumbel, -np.inf)
    order = np.argsort(-keys, axis=1, kind="stable")
    return order[:, 0], order[:, 1]


def paired_languages(present, original, weights, rng, pairing):
    """Return (primary, secondary), each (clips,) int64: the languages of the two views of every clip.

    present: (clips, languages) bool with two or more True in a row, the original's among them;
    original: (clips,) int column of the original; pairing: as in `soundstage.pretrain.settings.Run`.
    """
    if pairing == "original_and_dub":
        dubs = present & (np.arange(present.shape[1]) != original[:, None])
        gumbel = rng.gumbel(size=present.shape)
        return original, np.where(dubs, np.log(weights) + gumbel, -np.inf).argmax(1)
    primary, secondary = two_languages(present, weights, rng)
    return (primary, primary) if pairing == "same_language" else (primary, secondary)
