"""Features of event parsers from the towers of a pretraining run, as folders of .npy files.

    python -m soundstage.teachers.towers --model work/pretrain/dubs_within_modal/0/model.pt \\
        --annotations ../shared/llp --videos media/ --out-folder work/teachers/towers/dubs_within_modal

Writes audio/<first eleven letters of the name>.npy and picture/<...>.npy, (10, dim) float32 each: what
the frozen towers give for a window of their own length round each second; silence, and the first and
last picture, stand for what lies outside of the video. `parse.pack` reads them. Files that are there
are kept, so that a killed call goes on. Videos without one of the two are named, with the reason.
"""

from pathlib import Path

import numpy as np
import torch

from soundstage import cli
from soundstage.errors import UserError
from soundstage.evaluate import decode, frozen
from soundstage.files import atomic
from soundstage.model.inputs import spread
from soundstage.parse import annotations
from soundstage.parse.classes import SECONDS
from soundstage.parse.pack import ID_LETTERS, report
from soundstage.teachers import videos
from soundstage.units import VIDEO_FPS, seconds_to_frames, seconds_to_samples

PARTS = ("audio", "picture")


def main():
    """Read the flags and extract."""
    parser = cli.parser(__doc__)
    parser.add_argument("--model", required=True, help="model.pt of a pretraining run")
    parser.add_argument("--annotations", required=True, help="folder with the AVVP_*.csv files")
    parser.add_argument("--videos", required=True, nargs="+", help="folders of media files, named by video or its id")
    parser.add_argument("--out-folder", required=True, type=Path, help="gets the folders audio and picture")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = [
        name
        for file in annotations.WEAK_FILES.values()
        for name in annotations.read_weak(Path(options.annotations, file))[0]
    ]
    dropped = extract(names, options.videos, frozen.load(options.model), options.out_folder)
    for part in PARTS:
        report([row for row in dropped if row["part"] == part], len(names), f"{part} features")


def extract(names, folders, towers, out):
    """Write both features of every video that are not in `out` yet; return dicts filename, part, reason of the rest."""
    makers = {"audio": sound_features, "picture": picture_features}
    dropped = []
    for part in PARTS:
        Path(out, part).mkdir(parents=True, exist_ok=True)
    for name in cli.progress(names, len(names), f"{towers.run}: features", "videos"):
        for part, make in makers.items():
            path = Path(out, part, name[:ID_LETTERS] + ".npy")
            if path.is_file():
                continue
            try:
                found = make(find(folders, name), towers)
            except UserError as error:
                dropped.append({"filename": name, "part": part, "reason": error.what})
                continue
            with atomic(path) as temporary, open(temporary, "wb") as stream:
                np.save(stream, found)
    return dropped


def find(folders, name):
    """Return the file of a video in the first folder that has it; UserError when none has."""
    path = next(filter(None, (videos.find(folder, name) for folder in folders)), None)
    if path is None:
        raise UserError("missing", folders[0])
    return path


def sound_features(path, towers):
    """Return (10, dim) float32: the audio tower's embedding of the window round each second of a file."""
    windows = sound_windows(decode.read_sound(path), towers.settings.inputs)
    log_mel = decode.sound_windows(windows.reshape(-1), towers.settings.inputs)
    return frozen.embed_sounds(towers, log_mel, np.arange(SECONDS), SECONDS, SECONDS)


def sound_windows(samples, inputs):
    """Return (10, clip samples) float32: the samples round the middle of each second, zeros outside."""
    length, second = seconds_to_samples(inputs.clip_seconds), seconds_to_samples(1)
    before = (length - second) // 2
    wanted = np.arange(SECONDS)[:, None] * second - before + np.arange(length)
    inside = (wanted >= 0) & (wanted < len(samples))
    return np.where(inside, samples[wanted.clip(0, len(samples) - 1)], np.float32(0))


def picture_features(path, towers):
    """Return (10, dim) float32: the video tower's embedding of the window round each second of a file."""
    windows = decode.picture_windows(path, towers.settings.inputs, second_windows)
    return frozen.embed_pictures(towers, windows, np.arange(SECONDS), SECONDS, SECONDS)


def second_windows(count, inputs):
    """Return (10, frames) int64: which of `count` pictures at 25 fps lie round the middle of each second."""
    length = seconds_to_frames(inputs.clip_seconds)
    starts = np.arange(SECONDS) * VIDEO_FPS - (length - VIDEO_FPS) // 2
    return (starts[:, None] + spread(length, inputs.frames)).clip(0, count - 1)


if __name__ == "__main__":
    cli.run(main)
