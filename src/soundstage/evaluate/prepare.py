"""Decode a benchmark once, for all runs, into what the towers read.

python -m soundstage.evaluate.prepare --benchmark studio-events \\
    --folder work/studio/benchmarks/studio-events --out work/evaluate/inputs/studio-events.npz

The layout is recognised (HEAR, UCF101, HMDB51, ESC-50, VGGSound, AVE, LVU) or named. Files that are missing or cannot
be read are left out and named; silent files and videos without sound are kept and named. Windows go to the disk as
they are decoded: memory does not grow with a file or with how many there are, and an interrupted call goes on. Where
they would take more than keep_megabytes, only the lists are kept, and each run decodes the clips anew.
"""

import dataclasses
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from soundstage import cli
from soundstage.errors import UserError
from soundstage.evaluate import benchmarks, decode, store, tasks
from soundstage.evaluate.ahead import ahead
from soundstage.evaluate.resume import stamp
from soundstage.evaluate.roles import carve, check_roles
from soundstage.evaluate.schema import GROUPS
from soundstage.evaluate.settings import CROPS, Settings
from soundstage.evaluate.windows import Progress
from soundstage.files import read_json
from soundstage.model.settings import Model
from soundstage.recipe import recipe
from soundstage.settings import load


def main():
    """Read the flags, decode, report what was dropped."""
    parser = cli.parser(__doc__)
    parser.add_argument("--benchmark", required=True, help="its name in the tables")
    parser.add_argument("--folder", required=True, help="the benchmark in its official layout")
    parser.add_argument("--out", required=True, help="the .npz file to write")
    parser.add_argument("--layout", choices=sorted(benchmarks.LAYOUTS), help="default: recognised")
    parser.add_argument("--group", choices=GROUPS, help="default: manifest, or its name")
    parser.add_argument("--model-settings", metavar="JSON_OR_FILE", help="the section `model` (default: defaults)")
    parser.add_argument("--crops", choices=sorted(CROPS), help="of its pictures (default: settings.crops)")
    parser.add_argument("--workers", type=int, default=1, help="threads that decode; the result is the same")
    cli.add_settings(parser, Settings)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = dataclasses.replace(arguments.settings, **({"crops": arguments.crops} if arguments.crops else {}))
    inputs = load(Model, arguments.model_settings).inputs
    group = arguments.group or find_group(arguments.folder, arguments.benchmark)
    benchmark = benchmarks.load(arguments.folder, arguments.layout)
    part = Path(f"{arguments.out}.part")
    decoded = decode_all(benchmark, arguments.benchmark, group, inputs, settings, part, arguments.workers)
    store.save(arguments.out, decoded)
    shutil.rmtree(part, ignore_errors=True)
    for kind in ("dropped", "flagged"):
        for row in decoded.about[kind]:
            cli.say(f"{kind}: {row['clip']}: {row['reason']}")
    cli.say(
        f"{arguments.benchmark}: {len(decoded.clips)} clips, "
        f"{len(decoded.about['dropped'])} dropped, {len(decoded.about['flagged'])} flagged"
        + "; too large to be kept, each run decodes it"
        * ("paths" in decoded.about)
    )


def find_group(folder, name):
    """Return a benchmark's group from manifest.json in its folder, else from its official name."""
    manifest = Path(folder) / "manifest.json"
    group = read_json(manifest).get("group") if manifest.is_file() else None
    group = group or benchmarks.group_of(name) or benchmarks.group_of(Path(folder).name)
    if group not in GROUPS:
        allowed = ", ".join(GROUPS)
        raise UserError(f"unknown group {group!r} of {name}", folder, f"--group, one of {allowed}")
    return group


def decode_all(benchmark, name, group, inputs, settings, folder=None, workers=1):
    """Return the `store.Decoded` of a `benchmarks.Benchmark`; clips that cannot be read are named.

    inputs: `soundstage.model.settings.Inputs`; folder: where what has been decoded waits for an interrupted
    call to go on. UserError when a rotation is left without training or test clips.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return decode_all(benchmark, name, group, inputs, settings, temporary, workers)
    if 0 < settings.short_side_pixels < max(inputs.crop_height, inputs.crop_width):
        found = settings.short_side_pixels
        raise UserError(f"expected 0, or no less than the crop has, found {found}", "evaluate.short_side_pixels")
    progress = Progress(folder, *working(benchmark, inputs, settings))
    decode_clips(benchmark, name, inputs, settings, progress, workers)
    kept = [row["clip"] for row in progress.rows if not row["dropped"]]
    clips = [benchmark.clips[number] for number in kept]
    roles = carve(benchmark.roles[:, kept], [c.recording for c in clips], settings.validation_percent, name)
    about, labels = described(benchmark, kept)
    about |= {"benchmark": name, "group": group, "metric": benchmark.metric}
    about |= {"media": benchmark.media, "layout": benchmark.layout, "classes": list(benchmark.classes)}
    about |= {"inputs": dataclasses.asdict(inputs), "view": [settings.crops, settings.short_side_pixels]}
    about |= noted(benchmark, progress.rows)
    if not progress.kept:
        about["paths"] = [str(clip.path) for clip in clips]
    for entry, _, _, part in tasks.split(about, labels, roles):
        check_roles(part, entry, len(about["dropped"]))
    place = np.full(len(benchmark.clips), -1, np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    windows = [(arrays, place[owners]) for arrays, owners in progress.close().values()]
    return store.Decoded(about, np.array([clip.name for clip in clips]), labels, roles, *windows[0], *windows[1])


def working(benchmark, inputs, settings):
    """Return (fingerprint of all that the windows depend on, shapes of windows, most bytes of them)."""
    files = [(clip.name, *stamp(clip.path)) for clip in benchmark.clips]
    text = json.dumps([files, dataclasses.asdict(inputs), dataclasses.asdict(settings), recipe("evaluate.prepare")])
    picture = (inputs.frames, inputs.crop_height, inputs.crop_width, 3)
    shapes = {"audio": ((1, inputs.mels, inputs.mel_frames), np.float32), "video": (picture, np.uint8)}
    return hashlib.sha256(text.encode()).hexdigest(), shapes, settings.keep_megabytes * 1e6


def decode_clips(benchmark, name, inputs, settings, progress, workers):
    """Decode every clip that `progress` has not noted yet."""
    todo = list(enumerate(benchmark.clips))[len(progress.rows) :]

    def work(item):
        return read_clip(item[1].path, benchmark.media, inputs, settings)

    for (number, _), blocks in cli.progress(ahead(todo, work, workers), len(todo), name, "clips"):
        before = {part: len(windows.owners) for part, windows in progress.windows.items()}
        row = {"clip": number, "dropped": "", "flagged": ""}
        try:
            for part, block in blocks:
                if part == "odd":
                    row["flagged"] = block
                elif block is None:
                    progress.windows[part].back_to(before[part])
                else:
                    progress.windows[part].add(number, block)
        except UserError as error:
            row["dropped"] = error.what
            for part, windows in progress.windows.items():
                windows.back_to(before[part])
        counts = {part: len(windows.owners) - before[part] for part, windows in progress.windows.items()}
        progress.note({**row, **counts})


def noted(benchmark, rows):
    """Return {"dropped", "flagged"}: lists of {clip, reason} of what was noted of the clips."""
    dropped = [{"clip": clip, "reason": reason} for clip, reason in benchmark.left_out]
    named = {
        kind: [{"clip": benchmark.clips[row["clip"]].name, "reason": row[kind]} for row in rows if row[kind]]
        for kind in ("dropped", "flagged")
    }
    return {"dropped": dropped + named["dropped"], "flagged": named["flagged"]}


def described(benchmark, kept):
    """Return (what `about` has beyond every benchmark's, labels of the clips kept) of a `Benchmark`."""
    about = {"more_metrics": list(benchmark.more_metrics), "source": benchmark.source}
    about["speakers"] = [benchmark.speakers[number] for number in kept] if benchmark.speakers else []
    about = {key: value for key, value in about.items() if value}
    if not benchmark.tasks:
        return about, one_hot([benchmark.clips[number].labels for number in kept], len(benchmark.classes))
    parts = [dataclasses.replace(t, labels=t.labels[kept], roles=t.roles[:, kept]) for t in benchmark.tasks]
    shared_out, labels, _ = tasks.joined(parts)
    return {**about, "tasks": shared_out}, labels


def read_clip(path, media, inputs, settings):
    """Yield ("video" or "audio", a block of windows) of one clip, and ("odd", what is odd about it).

    ("audio", None) takes back the sound that was yielded: it breaks off, and the pictures stand alone.
    UserError when the file is missing or what the benchmark is about cannot be read.
    """
    if not path.is_file():
        raise UserError("missing file", path)
    if media != "audio":
        view = settings.crops, settings.short_side_pixels
        for block in decode.stream_pictures(path, inputs, view=view):
            yield "video", block
    if media == "video":
        return
    sound = decode.Sound(path, inputs)
    try:
        for block in sound.blocks():
            yield "audio", block
    except UserError as error:
        if media == "audio":
            raise
        yield "audio", None
        yield "odd", f"{error.what}: {decode.STAND_IN}"
        return
    if decode.to_db(sound.peak) < settings.silence_db:
        yield "odd", decode.SILENT.format(f"{settings.silence_db:g}")


def one_hot(labels, classes):
    """Return (clips, classes) uint8 of 0/1 from a list of tuples of class numbers."""
    table = np.zeros((len(labels), classes), np.uint8)
    for row, numbers in zip(table, labels, strict=True):
        row[list(numbers)] = 1
    return table


if __name__ == "__main__":
    cli.run(main)
