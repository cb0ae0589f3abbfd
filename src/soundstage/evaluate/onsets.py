"""Events in time: made of time stamps as HEAR's official kit makes them, scored by their onsets as sed_eval does.

An event is (label, start, end) in milliseconds. A found event is right if an event of its label lies near enough, each
event serving once; the pairing is the largest there is. Counts are pooled over files and labels (micro average).
"""

import numpy as np

SHARE_OF_LENGTH = 0.2  # an end may also be off by this share of the event's length
THRESHOLD = 0.5  # probability above which an event goes on
INSIDE_MS = 0.0001  # by which the kit prolongs a true event, so that a time stamp at its very end belongs to it


def f_percent(found, truth, tolerance_ms, ends=False):
    """Return the F-measure in percent of {file: [event]} against {file: [event]}; NaN where neither has an event.

    ends: whether the end must be right, too, within the tolerance or SHARE_OF_LENGTH of the true length.
    """
    right = sum(matched(found.get(name, []), truth.get(name, []), tolerance_ms, ends) for name in {*found, *truth})
    total = sum(map(len, found.values())) + sum(map(len, truth.values()))
    return 200.0 * right / total if total else float("nan")


def matched(found, truth, tolerance_ms, ends=False):
    """Return how many events of one file can be paired with a true one; mir_eval makes the pairing.

    Which two may be paired is sed_eval's rule; mir_eval's own, for notes, rounds to 0.1 ms and knows no labels.
    """
    from mir_eval.util import match_events

    # seconds, because that is what sed_eval subtracts: where two are apart by just the tolerance, it is the rounding
    # of seconds that decides there, so here, too
    tolerance = tolerance_ms / 1000

    def apart(one, other):
        return _apart(one, other, tolerance if ends else None)

    return len(match_events(truth, found, tolerance, apart)) if found and truth else 0


def _apart(truth, found, end_tolerance):
    """Return (true, found) distances of onsets in s; infinite for another label and, if asked for, a wrong end."""
    (labels, starts, ends), (other_labels, other_starts, other_ends) = _columns(truth), _columns(found)
    apart = np.abs(np.subtract.outer(starts, other_starts))
    apart[labels[:, None] != other_labels] = np.inf
    if end_tolerance is not None:
        allowed = np.maximum(end_tolerance, SHARE_OF_LENGTH * (ends - starts))
        apart[np.abs(np.subtract.outer(ends, other_ends)) > allowed[:, None]] = np.inf
    return apart


def _columns(listed):
    """Return (labels, starts, ends) of events, each (events,), in s."""
    labels, starts, ends = zip(*listed, strict=True)
    return np.array(labels), np.array(starts, float) / 1000, np.array(ends, float) / 1000


def events(probabilities, times, labels, median_ms, least_ms):
    """Return [event] of one file: runs of time stamps at which a label's smoothed probability is above THRESHOLD.

    probabilities: (times, labels) in [0, 1]; times: (times,) ms, evenly spaced; median_ms: width of the median filter
    over time. All is hear-eval-kit's rule (create_events_from_prediction): the width is rounded to whole time stamps,
    even ones too, and below one there is no filter; beyond the file's ends it sees them mirrored; an event ends with
    the last time stamp of its run, and one is left out if that is less than least_ms after the first.
    """
    active = _smoothed(np.asarray(probabilities, float), times, median_ms) > THRESHOLD
    edges = np.diff(active.astype(np.int8), axis=0, prepend=0, append=0)
    found = []
    for column, label in enumerate(labels):
        firsts, stops = (np.flatnonzero(edges[:, column] == sign) for sign in (1, -1))
        spans = [(float(times[first]), float(times[stop - 1])) for first, stop in zip(firsts, stops, strict=True)]
        found += [(label, start, end) for start, end in spans if end - start >= least_ms]
    return found


def _smoothed(probabilities, times, median_ms):
    from scipy.ndimage import median_filter

    width = int(round(median_ms / float(np.mean(np.diff(times))))) if len(times) > 1 else 0
    return median_filter(probabilities, size=(width, 1)) if width else probabilities


def frames(listed, times, labels):
    """Return (times, labels) uint8: which events [(label, start, end)] are going on at each time, ends included."""
    table = np.zeros((len(times), len(labels)), np.uint8)
    column = {label: number for number, label in enumerate(labels)}
    for label, start, end in listed:
        table[(times >= start) & (times < end + INSIDE_MS), column[label]] = 1
    return table
