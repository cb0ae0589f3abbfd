"""The F-scores of event parsing, for all videos at once: pure functions of boolean arrays.

Predictions and truth are (videos, segments, classes) bool for each modality. An event that is heard
and seen is one in both at the same time. Scores are percent [0, 100].

Inside, the segments of a video and class are the bits of one whole number (`codes`): counting is then
a matter of bits, and of the few thousand pairs of numbers that occur each is looked at once.
"""

import numpy as np

COLUMNS = ("audio", "visual", "audio_visual", "type_av", "event_av")
LEVELS = ("segment", "event")


def f_scores(audio, visual, true_audio, true_visual):
    """Return {"segment" | "event": {column: percent}} of a set of videos.

    All four arrays are (videos, segments, classes) bool with at least one video. Every column is
    the mean over videos of the mean F over classes; type_av is the mean of the first three columns,
    event_av pools hits and misses of both modalities before F.
    """
    heard, seen, true_heard, true_seen = map(codes, (audio, visual, true_audio, true_visual))
    pairs = {
        "audio": (heard, true_heard),
        "visual": (seen, true_seen),
        "audio_visual": (heard & seen, true_heard & true_seen),
    }
    found = {}
    for level, count in (("segment", segment_counts), ("event", event_counts)):
        counts = {name: count(*pair) for name, pair in pairs.items()}
        scores = {name: mean_f_percent(value) for name, value in counts.items()}
        scores["type_av"] = sum(scores.values()) / 3
        scores["event_av"] = mean_f_percent(counts["audio"] + counts["visual"])
        found[level] = scores
    return found


def segment_type_av_percent(audio, visual, true_audio, true_visual):
    """Return the segment-level Type@AV alone, which chooses the epoch: as `f_scores` gives it."""
    heard, seen, true_heard, true_seen = map(codes, (audio, visual, true_audio, true_visual))
    pairs = (heard, true_heard), (seen, true_seen), (heard & seen, true_heard & true_seen)
    return sum(mean_f_percent(segment_counts(*pair)) for pair in pairs) / 3


def codes(marked):
    """Return (videos, classes) int64 of (videos, segments, classes) bool, segment s as bit s; at most 31."""
    found = np.zeros((marked.shape[0], marked.shape[2]), np.int64)
    for segment in range(marked.shape[1]):
        found |= marked[:, segment].astype(np.int64) << segment
    return found


def segment_counts(predicted, true):
    """Return (3, videos, classes) int: segments that are hits, false alarms and misses, of `codes`."""
    kinds = (predicted & true, predicted & ~true, true & ~predicted)
    return np.bitwise_count(np.stack(kinds)).astype(np.int32)


def event_counts(predicted, true):
    """Return (3, videos, classes) int: events that are hits, false alarms and misses, of `codes`.

    An event is a run of consecutive segments. A predicted one is a hit when it shares at least half
    of the union with some true one; a true one without such a partner is a miss. Runs of one row
    never touch, so that nobody has two partners.
    """
    segments = max(int(max(predicted.max(initial=0), true.max(initial=0))).bit_length(), 1)
    both = (predicted << segments | true).ravel()
    busy = np.flatnonzero(both)
    pairs, place = np.unique(both[busy], return_inverse=True)
    bits = np.arange(segments)
    rows = [(half[:, None] >> bits & 1).astype(bool) for half in (pairs >> segments, pairs)]
    matches, found, wanted = _matches(*map(runs, rows))
    hits = matches.any(2).sum(1)
    counts = np.zeros((3, both.size), np.int32)
    counts[:, busy] = np.stack([hits, found.sum(1) - hits, wanted.sum(1) - matches.any(1).sum(1)])[:, place]
    return counts.reshape(3, *predicted.shape)


def runs(rows):
    """Return (starts, ends) of the runs of True in each row: (rows, most runs of a row) int.

    rows: (rows, segments) bool. Ends are exclusive; places without a run hold 0 and 0.
    """
    steps = np.diff(rows.astype(np.int8), axis=1, prepend=0, append=0)
    row, start = np.nonzero(steps == 1)
    end = np.nonzero(steps == -1)[1]
    first = np.searchsorted(row, np.arange(len(rows)))
    place = np.arange(len(row)) - first[row]
    found = np.zeros((2, len(rows), max(int(place.max(initial=0)) + 1, 1)), np.int64)
    found[:, row, place] = start, end
    return found[0], found[1]


def _matches(found, wanted):
    """Return (which pairs of runs match (rows, found, wanted), which of either exist) bool."""
    starts, ends = ((a[:, :, None], b[:, None, :]) for a, b in zip(found, wanted, strict=True))
    shared = np.maximum(np.minimum(*ends) - np.maximum(*starts), 0)
    union = (ends[0] - starts[0]) + (ends[1] - starts[1]) - shared
    return (2 * shared >= union) & (shared > 0), found[1] > found[0], wanted[1] > wanted[0]


def mean_f_percent(counts):
    """Return the mean over videos of the mean F over classes, percent.

    counts: (3, videos, classes), hits, false alarms and misses. A class with none of the three is
    left out of its video; a video without any class counts as 100.
    """
    hits, false, missed = counts
    total = 2 * hits + false + missed
    number = np.count_nonzero(total, axis=1)
    sums = (2 * hits / np.maximum(total, 1)).sum(1)
    means = np.where(number > 0, sums / np.maximum(number, 1), 1.0)
    return 100 * float(means.mean())


def precision_recall_percent(predicted, true):
    """Return (precision, recall) of every class over all segments of all videos: (classes,) each.

    NaN where nothing was predicted (precision) or nothing is true (recall).
    """
    hits, false, missed = segment_counts(codes(predicted), codes(true)).sum(1).astype(float)
    with np.errstate(invalid="ignore"):
        return 100 * hits / (hits + false), 100 * hits / (hits + missed)
