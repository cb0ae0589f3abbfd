"""What the teachers are asked, and from which score on they are believed: data files, not code."""

import dataclasses
from pathlib import Path

import numpy as np

from soundstage.errors import UserError
from soundstage.files import read_json
from soundstage.parse.classes import AVE, LLP, MODALITIES

PUBLISHED = Path(__file__).with_name("llp.json")
OF_AVE = Path(__file__).with_name("ave.json")


@dataclasses.dataclass(frozen=True)
class Prompts:
    """classes: names in order; prompts, thresholds: {"audio" | "visual": a caption, a score, per class}."""

    classes: tuple
    prompts: dict
    thresholds: dict


def default(classes):
    """Return the package's own file of prompts for the classes of a data set."""
    return OF_AVE if tuple(classes) == AVE else PUBLISHED


def read(path=PUBLISHED, classes=LLP):
    """Return the `Prompts` of a JSON file: classes, and for audio and visual prompts and thresholds.

    UserError when the classes are others than `classes`, or a list is not as long.
    """
    found = read_json(path)
    try:
        if tuple(found["classes"]) != tuple(classes):
            raise UserError("the classes are others, or in another order, than those of the data set", path)
        prompts = {key: tuple(found[key]["prompts"]) for key in MODALITIES}
        thresholds = {key: np.array(found[key]["thresholds"], np.float32) for key in MODALITIES}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"expected classes, and for audio and visual prompts and thresholds ({error})", path) from None
    for key in MODALITIES:
        if not len(prompts[key]) == len(thresholds[key]) == len(classes):
            raise UserError(f"{key}: expected {len(classes)} prompts and thresholds", path)
    return Prompts(tuple(classes), prompts, thresholds)
