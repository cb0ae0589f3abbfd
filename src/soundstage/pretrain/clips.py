"""The corpus as model inputs: what `prepare` wrote, read and put together."""

import json
import zipfile
from dataclasses import dataclass

import numpy as np

from soundstage.errors import UserError
from soundstage.model.settings import Inputs
from soundstage.settings import build


@dataclass(frozen=True)
class Clips:
    """Clips of any number of films. n clips, m sounds, L languages; -1 where there is no sound."""

    film: np.ndarray  # (n,) str
    split: np.ndarray  # (n,) str
    start_seconds: np.ndarray  # (n,) float64
    end_seconds: np.ndarray  # (n,) float64
    languages: tuple  # L names, sorted
    original: np.ndarray  # (n,) int64, row of `sounds` in the original language
    speech: np.ndarray  # (n, L) int64, row of `sounds` in each language
    nospeech: np.ndarray  # (n,) int64, row of `sounds` of the original without its speech
    remix: np.ndarray  # (n,) int64, row of `sounds` of the original in another mix and codec
    sounds: np.ndarray  # (m, mels, mel frames) float16, dB
    pictures: np.ndarray  # (n, frames, height, width, 3) uint8

    def __len__(self):
        return len(self.film)

    def has_dub(self):
        """Return (n,) bool: which clips have a language besides the original."""
        return (self.speech >= 0).sum(1) > 1

    def rows(self, chosen):
        """Return the clips number `chosen` (the sounds are shared, not copied)."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        kept = ("languages", "sounds")
        return Clips(**{k: v if k in kept else v[chosen] for k, v in fields.items()})


def load_clips(paths, inputs, remixed=()):
    """Return the `Clips` in the .npz files of `prepare`, films in the order given.

    inputs: the `soundstage.model.settings.Inputs` that the files must have been made with;
    UserError otherwise, or when a file cannot be read. remixed: .npz files of
    `soundstage.pretrain.remixed`, in any order, whose sounds are joined to the clips.
    """
    films = [_read(path, inputs) for path in paths]
    others = {about["film"]: arrays for about, arrays in (_read(path, inputs) for path in remixed)}
    films = [(about, arrays) for about, arrays in films if len(arrays["start_seconds"])]
    if not films:
        raise UserError("there is not one clip in the inputs", fix="see the clips tables for why")
    languages = tuple(sorted({name for about, _ in films for name in about["languages"]}))
    parts, sounds = [], 0
    for about, arrays in films:
        arrays = _with_remix(arrays, others.get(about["film"]))
        parts.append(_fields(about, arrays, languages, sounds))
        sounds += len(arrays["sounds"])
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Clips(languages=languages, **joined)


def content_id(path):
    """Return what tells the content of an .npz file from another's: its members' checksums."""
    try:
        with zipfile.ZipFile(path) as file:
            return {member.filename: member.CRC for member in file.infolist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"expected inputs made by prepare, found {error}", path) from None


def _read(path, inputs):
    """Return (about, arrays) of one film."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"expected inputs made by prepare, found {error}", path) from None
    if build(Inputs, about["inputs"]) != inputs:
        raise UserError(
            "these inputs were made with other settings of model.inputs",
            path,
            "run soundstage.pretrain.prepare again with the settings of this training",
        )
    return about, arrays


def _with_remix(arrays, other):
    """Return the arrays of a film with the sounds of its remix behind its own, and `remix`: their rows.

    other: arrays of the film's remix, or None; clips are known by when they start.
    """
    starts = arrays["start_seconds"]
    if other is None:
        return {**arrays, "remix": np.full(len(starts), -1, np.int32)}
    places = {round(1000 * start): row for row, start in enumerate(other["start_seconds"])}
    rows = np.array([places.get(round(1000 * start), -1) for start in starts], np.int32)
    moved = np.where(rows >= 0, rows + len(arrays["sounds"]), -1)
    return {**arrays, "remix": moved, "sounds": np.concatenate([arrays["sounds"], other["sounds"]])}


def _fields(about, arrays, languages, first_sound):
    """Return one film's share of the arrays of `Clips`, its sounds numbered from first_sound."""
    count = len(arrays["start_seconds"])
    speech = np.full((count, len(languages)), -1, np.int64)
    for column, name in enumerate(about["languages"]):
        speech[:, languages.index(name)] = _shifted(arrays["speech"][:, column], first_sound)
    return {
        "film": np.full(count, about["film"]),
        "split": np.full(count, about["split"]),
        "start_seconds": arrays["start_seconds"],
        "end_seconds": arrays["end_seconds"],
        "original": speech[:, languages.index(about["original_language"])],
        "speech": speech,
        "nospeech": _shifted(arrays["nospeech"], first_sound),
        "remix": _shifted(arrays["remix"], first_sound),
        "sounds": arrays["sounds"],
        "pictures": arrays["pictures"],
    }


def _shifted(rows, first):
    return np.where(rows >= 0, rows.astype(np.int64) + first, -1)
