"""Embed any audio and video files with a pretrained model.

python -m soundstage.evaluate.embed --model work/pretrain/dubs/0/model.pt \\
    --folder ../clips --files more/talk.wav --out embeddings.parquet

All files below the folder are taken, and those named. One line per file: its path, the embeddings
of its sound and of its picture (mean over windows; null where it has none), the number of windows
of each, and what was odd. Files that give neither are named at the end.
"""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import torch

from soundstage import cli
from soundstage.errors import UserError
from soundstage.evaluate import decode, frozen
from soundstage.evaluate.settings import Settings
from soundstage.files import atomic

TABLE = pyarrow.schema(
    {
        "file": pyarrow.string(),
        "audio": pyarrow.list_(pyarrow.float32()),
        "video": pyarrow.list_(pyarrow.float32()),
        "audio_windows": pyarrow.int32(),
        "video_windows": pyarrow.int32(),
        "reason": pyarrow.string(),
    }
)


def main():
    """Read the flags, embed every file, say what could not be read."""
    parser = cli.parser(__doc__)
    parser.add_argument("--model", required=True, help="model.pt of a pretraining run")
    parser.add_argument("--folder", help="folder of media files, at any depth")
    parser.add_argument("--files", nargs="+", default=[], help="media files or folders of them")
    parser.add_argument("--out", required=True, help="the Parquet file to write")
    cli.add_settings(parser, Settings)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    towers = frozen.load(arguments.model)
    files = listed([arguments.folder] * bool(arguments.folder) + arguments.files)
    rows = [
        embed_file(towers, path, arguments.settings.batch_windows)
        for path in cli.progress(files, len(files), "embed", "files")
    ]
    with atomic(arguments.out) as temporary:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=TABLE), temporary)
    for row in rows:
        if row["audio"] is None and row["video"] is None:
            cli.say(f"{row['file']}: {row['reason']}")
    counts = [sum(row[kind] is not None for row in rows) for kind in ("audio", "video")]
    cli.say(f"{len(rows)} files: {counts[0]} with sound, {counts[1]} with picture")


def listed(paths):
    """Return the files named, and those below the folders named, each once, in order."""
    if not paths:
        raise UserError("expected files to embed", fix="give --folder or --files")
    files = []
    for path in map(Path, paths):
        if not path.exists():
            raise UserError("expected a file or folder, found nothing", path)
        below = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else []
        files += below or [path]
    return list(dict.fromkeys(files))


def embed_file(towers, path, batch):
    """Return a file's line of the table; `reason` says what its sound or picture lacks."""
    inputs = towers.settings.inputs
    row = {"file": str(path), "audio": None, "video": None, "audio_windows": 0, "video_windows": 0}
    reasons = []
    try:
        samples = decode.read_sound(path)
        windows = decode.sound_windows(samples, inputs)
        row |= {"audio_windows": len(windows)}
        row["audio"] = _mean(frozen.embed_sounds, towers, windows, batch)
        if not np.any(samples):
            reasons.append("sound: digital silence")
    except UserError as error:
        reasons.append(f"sound: {error.what}")
    try:
        windows = decode.picture_windows(path, inputs)
        row |= {"video_windows": len(windows)}
        row["video"] = _mean(frozen.embed_pictures, towers, windows, batch)
    except UserError as error:
        reasons.append(f"picture: {error.what}")
    return row | {"reason": "; ".join(reasons)}


def _mean(embed, towers, windows, batch):
    """Return the mean embedding (dim,) of one file's windows; UserError when it is not finite."""
    mean = embed(towers, windows, np.zeros(len(windows), np.int64), 1, batch)[0]
    if not np.isfinite(mean).all():
        raise UserError("the embedding is not finite")
    return mean


if __name__ == "__main__":
    cli.run(main)
