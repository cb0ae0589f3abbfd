"""Who trains, who chooses, who tests: a benchmark's rotations as one small table.

Roles are (rotations, clips) int8, so that folds, train/valid/test and several official splits are
one thing for a probe.
"""

import numpy as np

from soundstage.errors import UserError
from soundstage.units import rng_of

UNUSED, TRAIN, VALID, TEST = 0, 1, 2, 3


def rotate(folds):
    """Return roles of a k-fold benchmark: fold i tests, fold i + 1 (cyclic) chooses, rest train.

    folds: (clips,) int fold numbers 0 .. k - 1, k >= 3.
    """
    folds = np.asarray(folds)
    count = int(folds.max()) + 1
    roles = np.full((count, len(folds)), TRAIN, np.int8)
    for rotation in range(count):
        roles[rotation, folds == (rotation + 1) % count] = VALID
        roles[rotation, folds == rotation] = TEST
    return roles


def named(splits):
    """Return roles (1, clips) of splits given as "train", "valid" or "test"."""
    code = {"train": TRAIN, "valid": VALID, "test": TEST}
    return np.array([[code[split] for split in splits]], np.int8)


def listed(entries, rotations):
    """Return (clips, sorted, roles (rotations, clips)) of a benchmark's published splits, clips not listed UNUSED.

    entries: (clip, rotation, role, the list that says so). UserError where lists give a clip two roles in one
    rotation.
    """
    table = {}
    for clip, rotation, role, path in entries:
        row = table.setdefault(clip, [UNUSED] * rotations)
        if row[rotation] not in (UNUSED, role):
            raise UserError(f"{clip} stands in the training and in the test part of one split", path)
        row[rotation] = role
    clips = sorted(table)
    return clips, np.array([table[clip] for clip in clips], np.int8).reshape(-1, rotations).T


def carve(roles, groups, percent, *seed_parts):
    """Return roles in which rotations without validation clips have some, taken from training.

    Whole groups (clips cut from one recording) are taken, in an order drawn from `seed_parts`,
    until `percent` of the training clips are reached; at least one group stays for training.
    groups: (clips,) hashable.
    """
    roles = np.array(roles, np.int8)
    groups = np.asarray(groups)
    for rotation, role in enumerate(roles):
        training = np.flatnonzero(role == TRAIN)
        if (role == VALID).any() or not len(training):
            continue
        names, group, sizes = np.unique(groups[training], return_inverse=True, return_counts=True)
        order = rng_of(*seed_parts, rotation).permutation(len(names))[:-1]
        before = np.cumsum(sizes[order]) - sizes[order]
        chosen = order[before < len(training) * percent / 100]
        role[training[np.isin(group, chosen)]] = VALID
    return roles


def disjoint(roles, groups, labels):
    """Return rotations of as many folds in which nobody of `groups` is in two folds.

    roles: (k, clips) of a k-fold benchmark (`rotate`); groups: (clips,) hashable, or None; labels: (clips,
    classes) of 0/1, which the new folds balance as far as whole groups allow. Without groups, and for
    splits that are no folds, the roles are those given.
    """
    count = len(roles)
    if groups is None or count < 3 or len(set(groups)) < count:
        return roles
    from sklearn.model_selection import StratifiedGroupKFold

    folds = np.zeros(roles.shape[1], int)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=0)
    for number, (_, test) in enumerate(splitter.split(folds, np.argmax(labels, axis=1), groups)):
        folds[test] = number
    return rotate(folds)


def check_roles(roles, name, dropped):
    """Raise a UserError when a rotation lacks training, validation or test clips."""
    for number, role in enumerate(roles):
        for wanted, word in ((TRAIN, "training"), (VALID, "validation"), (TEST, "test")):
            if not (role == wanted).any():
                raise UserError(
                    f"{name}: rotation {number} has no {word} clip, {dropped} clips were dropped",
                    fix="complete the download; the dropped clips and reasons are listed above",
                )
