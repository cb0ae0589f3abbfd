"""How a parser's output is judged on each data set: the score that chooses the epoch, and the final ones.

found, everywhere: probabilities (segment (videos, 10, 2, classes), video (videos, classes), modality
(videos, 2, classes)); truth: the `annotations.Annotations` of the split; names: of the videos.
"""

import numpy as np

from soundstage.parse import annotations, ave, metric, predictions, store
from soundstage.parse.score import score

SEGMENT_TYPE_AV, ACCURACY = "segment_type_av", "accuracy_percent"  # what chooses the epoch


def is_ave(truth):
    """Return whether annotations are AVE's."""
    return truth.ground_truth == annotations.AVE_FILE


def selection(truth):
    """Return the name of the score that chooses the epoch."""
    return ACCURACY if is_ave(truth) else SEGMENT_TYPE_AV


def validation_score(found, names, truth, rule):
    """Return the score that chooses the epoch, percent: segment-level Type@AV, or AVE's accuracy."""
    place, _ = store.rows(truth.filenames, names)
    if is_ave(truth):
        return float(100 * (_decided(found) == _marked(truth, place)).mean())
    present = predictions.decide(*found, rule)
    return metric.segment_type_av_percent(
        present[:, :, 0], present[:, :, 1], truth.audio[place], truth.visual[place]
    )


def results(found, names, truth):
    """Return the entries of scores.json: `rules` with the ten F-scores of LLP, or `ave` with AVE's scores."""
    if is_ave(truth):
        place, _ = store.rows(truth.filenames, names)
        labels = truth.weak[place].argmax(1)
        split = ave.Split((*truth.classes, ave.BACKGROUND), place, _marked(truth, place), labels, ())
        rows = {"parser": ave.scores(_decided(found), split)} | ave.references(split)
        return {"ave": {"rows": rows, "n": len(place), "n_expected": len(truth.filenames)}}
    rules = {}
    for rule in predictions.RULES:
        present = predictions.Predictions(names, predictions.decide(*found, rule), rule)
        rules[rule] = score(present, truth)
    return {"rules": rules}


def _decided(found):
    segment, video, _ = found
    return ave.decide(video, segment[:, :, 0], segment[:, :, 1])


def _marked(truth, place):
    """Return (videos, 10) int class numbers, background where nothing is marked."""
    dense = truth.audio[place]
    return np.where(dense.any(2), dense.argmax(2), dense.shape[2])
