"""Scores of events in time, as sed_eval counts them: how many onsets, or onsets and ends, are found. Pure functions.

An event is (label, start, end) in milliseconds. A found event is right if an event of its label lies near enough, each
event serving once; the pairing is the largest there is. Counts are pooled over files and labels (micro average).
"""

import numpy as np

SHARE_OF_LENGTH = 0.2  # an end may also be off by this share of the event's length


def f_percent(found, truth, tolerance_ms, ends=False):
    """Return the F-measure in percent of {file: [event]} against {file: [event]}; NaN where neither has an event.

    ends: whether the end must be right, too, within the tolerance or SHARE_OF_LENGTH of the true length.
    """
    right = sum(matched(found.get(name, []), truth.get(name, []), tolerance_ms, ends) for name in {*found, *truth})
    total = sum(map(len, found.values())) + sum(map(len, truth.values()))
    return 200.0 * right / total if total else float("nan")


def matched(found, truth, tolerance_ms, ends=False):
    """Return how many events of one file can be paired with a true one."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not found or not truth:
        return 0
    near = np.array([[_near(one, other, tolerance_ms, ends) for other in truth] for one in found])
    return int((maximum_bipartite_matching(csr_array(near), perm_type="column") >= 0).sum())


def _near(found, truth, tolerance_ms, ends):
    if found[0] != truth[0] or abs(found[1] - truth[1]) > tolerance_ms:
        return False
    return not ends or abs(found[2] - truth[2]) <= max(tolerance_ms, SHARE_OF_LENGTH * (truth[2] - truth[1]))


def events(probabilities, times, labels, median_ms, least_ms):
    """Return [event] of one file: where a label's probability is above one half, smoothed, and long enough.

    probabilities: (times, labels) in [0, 1]; times: (times,) ms, evenly spaced; median_ms: width of the median
    filter over time; least_ms: shorter events are left out.
    """
    from scipy.ndimage import median_filter

    hop = float(times[1] - times[0]) if len(times) > 1 else 1.0
    width = max(1, int(round(median_ms / hop)) | 1)
    active = np.asarray(probabilities) > 0.5
    if width > 1:
        active = median_filter(active.astype(np.uint8), size=(width, 1), mode="nearest") > 0
    edges = np.diff(active.astype(np.int8), axis=0, prepend=0, append=0)
    found = []
    for column, label in enumerate(labels):
        starts, stops = (np.flatnonzero(edges[:, column] == sign) for sign in (1, -1))
        for start, stop in zip(starts, stops, strict=True):
            length = (stop - start) * hop
            if length >= least_ms:
                found.append((label, float(times[start]), float(times[start] + length)))
    return found


def frames(listed, times, labels):
    """Return (times, labels) uint8: which events [(label, start, end)] are going on at each time."""
    table = np.zeros((len(times), len(labels)), np.uint8)
    column = {label: number for number, label in enumerate(labels)}
    for label, start, end in listed:
        table[(times >= start) & (times < end), column[label]] = 1
    return table
