"""The F-scores of event parsing, for all videos at once: pure functions of boolean arrays.

Predictions and truth are (videos, segments, classes) bool for each modality. An event that is heard
and seen is one in both at the same time. Scores are percent [0, 100].
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
    pairs = {
        "audio": (audio, true_audio),
        "visual": (visual, true_visual),
        "audio_visual": (audio & visual, true_audio & true_visual),
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
    pairs = (audio, true_audio), (visual, true_visual), (audio & visual, true_audio & true_visual)
    return sum(mean_f_percent(segment_counts(*pair)) for pair in pairs) / 3


def segment_counts(predicted, true):
    """Return (3, videos, classes) int: segments that are hits, false alarms and misses."""
    hits = (predicted & true).sum(1)
    return np.stack([hits, predicted.sum(1) - hits, true.sum(1) - hits])


def event_counts(predicted, true):
    """Return (3, videos, classes) int: events that are hits, false alarms and misses.

    An event is a run of consecutive segments. A predicted one is a hit when it shares at least half
    of the union with some true one; a true one without such a partner is a miss. Runs of one row
    never touch, so that nobody has two partners.
    """
    videos, _, classes = predicted.shape
    rows = [array.transpose(0, 2, 1).reshape(videos * classes, -1) for array in (predicted, true)]
    busy = np.flatnonzero(rows[0].any(1) | rows[1].any(1))
    counts = np.zeros((3, videos * classes), np.int64)
    if len(busy):
        matches, found, wanted = _matches(*(runs(row[busy]) for row in rows))
        counts[0, busy] = matches.any(2).sum(1)
        counts[1, busy] = found.sum(1) - counts[0, busy]
        counts[2, busy] = wanted.sum(1) - matches.any(1).sum(1)
    return counts.reshape(3, videos, classes)


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
    kept = total > 0
    scores = np.divide(2 * hits, total, out=np.zeros(total.shape), where=kept)
    number = kept.sum(1)
    means = np.divide(scores.sum(1), number, out=np.ones(len(number)), where=number > 0)
    return 100 * float(means.mean())


def precision_recall_percent(predicted, true):
    """Return (precision, recall) of every class over all segments of all videos: (classes,) each.

    NaN where nothing was predicted (precision) or nothing is true (recall).
    """
    hits, false, missed = segment_counts(predicted, true).sum(1).astype(float)
    with np.errstate(invalid="ignore"):
        return 100 * hits / (hits + false), 100 * hits / (hits + missed)
