"""Embed any audio and video files with a pretrained model.

python -m soundstage.evaluate.embed --model work/pretrain/dubs/0/model.pt \\
    --folder ../clips --files more/talk.wav --out embeddings.parquet

All files below the folder are taken, and those named. One line per file: its path, the embeddings
of its sound and of its picture (mean over windows; null where it has none), the number of windows
of each, and what was odd. Files that give neither are named at the end. Until then the folder OUT.part
keeps what is done, a few hundred windows at a time, so that the next call after an interruption goes on.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import torch

from soundstage import cli
from soundstage.errors import UserError
from soundstage.evaluate import decode, frozen, resume
from soundstage.evaluate.ahead import ahead
from soundstage.evaluate.settings import Settings
from soundstage.files import atomic, sha256
from soundstage.recipe import recipe

PARTS = ("audio", "video")
SAID = {"audio": "sound", "video": "picture"}
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
    parser.add_argument("--workers", type=int, default=1, help="threads that decode ahead; the result is the same")
    cli.add_settings(parser, Settings)
    arguments = parser.parse_args()
    torch.set_num_threads(max(1, arguments.workers))
    towers = frozen.load(arguments.model)
    files = listed([arguments.folder] * bool(arguments.folder) + arguments.files)
    work = resume.beside(arguments.out, fingerprint(arguments.model, files, arguments.settings))
    rows = embed_files(towers, files, arguments.settings, arguments.workers, work)
    with atomic(arguments.out) as temporary:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=TABLE), temporary)
    work.remove()
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


def fingerprint(model, files, settings):
    """Return the hash of all that the embeddings depend on: weights, files, settings and code."""
    view = settings.crops, settings.short_side_pixels, settings.batch_windows
    about = [sha256(model), [resume.stamp(file) for file in files], view, recipe("evaluate.embed")]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def embed_files(towers, files, settings, workers=1, leftovers=resume.NOWHERE):
    """Return a line of the table per file; `reason` says what its sound or picture lacks.

    settings: crops, short side and batch are used; windows of several files share a batch. leftovers: where
    what is done waits for a later call.
    """
    means = {part: frozen.Means(towers, part, len(files), settings.batch_windows) for part in PARTS}
    notes = [[] for _ in files]  # of each file: [what cannot be used, or "", and why]

    def work(number):
        return read_file(files[number], towers.settings.inputs, settings)

    def source(first):
        ready = ahead(range(first, len(files)), work, workers)
        for number, blocks in cli.progress(ready, len(files) - first, "embed", "files"):
            yield number, noted(blocks, notes[number])

    resume.embed_clips(means, source, leftovers, notes)
    found = {part: mean.result() for part, mean in means.items()}
    return [row(str(file), number, found, means, notes[number]) for number, file in enumerate(files)]


def noted(blocks, notes):
    """Yield (part, a block of windows) of what `read_file` yields; add the rest to `notes`."""
    for part, block in blocks:
        if isinstance(block, str):
            notes.append([part, block])
        else:
            yield part, block


def read_file(path, inputs, settings):
    """Yield ("audio" or "video", a block of windows) of a file, or (part, why there is no use in it)."""
    sound = decode.Sound(path, inputs)
    try:
        for block in sound.blocks():
            yield "audio", block
        if not sound.peak:
            yield "", "sound: digital silence"
    except UserError as error:
        yield "audio", f"sound: {error.what}"
    try:
        view = settings.crops, settings.short_side_pixels
        for block in decode.stream_pictures(path, inputs, view=view):
            yield "video", block
    except UserError as error:
        yield "video", f"picture: {error.what}"


def row(file, number, found, means, notes):
    """Return the line of one file; an embedding that is not finite is none."""
    line, reasons = {"file": file}, [reason for _, reason in notes]
    for part in PARTS:
        count = int(means[part].counts[number])
        usable = count > 0 and part not in [broken for broken, _ in notes]
        if usable and not np.isfinite(found[part][number]).all():
            usable, reasons = False, [*reasons, f"{SAID[part]}: the embedding is not finite"]
        line |= {part: found[part][number] if usable else None, f"{part}_windows": count if usable else 0}
    return line | {"reason": "; ".join(reasons)}


if __name__ == "__main__":
    cli.run(main)
