"""Features of event parsers from the towers of pretraining runs, as folders of .npy files.

    python -m soundstage.teachers.towers --models work/pretrain/dubs/0/model.pt work/pretrain/monolingual/0/model.pt \\
        --annotations ../shared/llp --videos media/ --out-folder work/teachers/towers

Writes <run>-<seed>/audio/<first eleven letters of the name>.npy and <run>-<seed>/picture/<...>.npy, (10, dim)
float32 each: what the frozen towers give for a window of their own length round each second; silence, and
the first and last picture, stand for what lies outside of the video. A video is decoded once for all models.
`parse.pack` reads the files. Those that are there are kept, so that a killed call goes on; --shard and --shards
divide the work. Videos without one of the two are named, with the reason.
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
    parser.add_argument("--models", nargs="+", required=True, help="model.pt of pretraining runs, with the same inputs")
    parser.add_argument("--annotations", required=True, help="folder with LLP's AVVP_*.csv or AVE's files")
    parser.add_argument("--videos", required=True, nargs="+", help="folders of media files, named by video or its id")
    parser.add_argument("--shard", type=int, default=0, help="number of the shard, from 0")
    parser.add_argument("--shards", type=int, default=1, help="how many shards there are")
    parser.add_argument("--out-folder", required=True, type=Path, help="gets a folder a model, with audio and picture")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = listed(options.annotations)[options.shard :: options.shards]
    dropped = extract(names, options.videos, [frozen.load(path) for path in options.models], options.out_folder)
    for part in PARTS:
        report([row for row in dropped if row["part"] == part], len(names), f"{part} features")


def listed(folder):
    """Return the names of the videos of all splits that a folder of annotations has."""
    there = [
        split
        for split, name in annotations.WEAK_FILES.items()
        if annotations.is_ave(folder) or Path(folder, name).is_file()
    ]
    return [name for split in there for name in annotations.names(folder, split)]


def extract(names, folders, models, out):
    """Write the features of every video that are not in `out` yet; return dicts filename, part, reason of the rest.

    models: `frozen.Frozen`s that read the same windows; UserError where they do not.
    """
    inputs = models[0].settings.inputs
    if any(towers.settings.inputs != inputs for towers in models):
        raise UserError("expected models with the same model.inputs, found several")
    embed = {"audio": frozen.embed_sounds, "picture": frozen.embed_pictures}
    read = {"audio": sound_input, "picture": picture_input}
    dropped = []
    for name in cli.progress(names, len(names), f"features of {len(models)} models", "videos"):
        for part in PARTS:
            todo = {path: towers for towers in models if not (path := place(out, towers, part, name)).is_file()}
            try:
                windows = read[part](find(folders, name), inputs) if todo else None
            except UserError as error:
                dropped.append({"filename": name, "part": part, "reason": error.what})
                continue
            for path, towers in todo.items():
                found = embed[part](towers, windows, np.arange(SECONDS), SECONDS, SECONDS)
                with atomic(path) as temporary, open(temporary, "wb") as stream:
                    np.save(stream, found)
    return dropped


def place(out, towers, part, name):
    """Return the file of one video's features of one part by one model."""
    return Path(out, f"{towers.run}-{towers.seed}", part, name[:ID_LETTERS] + ".npy")


def find(folders, name):
    """Return the file of a video in the first folder that has it; UserError when none has."""
    path = next(filter(None, (videos.find(folder, name) for folder in folders)), None)
    if path is None:
        raise UserError("missing", folders[0])
    return path


def sound_input(path, inputs):
    """Return (10, 1, mels, mel_frames) float32 dB: the window round each second of a file."""
    return decode.sound_windows(sound_windows(decode.read_sound(path), inputs).reshape(-1), inputs)


def sound_windows(samples, inputs):
    """Return (10, clip samples) float32: the samples round the middle of each second, zeros outside."""
    length, second = seconds_to_samples(inputs.clip_seconds), seconds_to_samples(1)
    before = (length - second) // 2
    wanted = np.arange(SECONDS)[:, None] * second - before + np.arange(length)
    inside = (wanted >= 0) & (wanted < len(samples))
    return np.where(inside, samples[wanted.clip(0, len(samples) - 1)], np.float32(0))


def picture_input(path, inputs):
    """Return (10, frames, crop_height, crop_width, 3) uint8: the window round each second of a file."""
    return decode.picture_windows(path, inputs, second_windows)


def second_windows(count, inputs):
    """Return (10, frames) int64: which of `count` pictures at 25 fps lie round the middle of each second."""
    length = seconds_to_frames(inputs.clip_seconds)
    starts = np.arange(SECONDS) * VIDEO_FPS - (length - VIDEO_FPS) // 2
    return (starts[:, None] + spread(length, inputs.frames)).clip(0, count - 1)


if __name__ == "__main__":
    cli.run(main)
