"""Decode a benchmark once, for all runs, into what the towers read.

python -m soundstage.evaluate.prepare --benchmark studio-events \\
    --folder work/studio/benchmarks/studio-events --out work/evaluate/inputs/studio-events.npz

The layout is recognised (HEAR, UCF101, HMDB51, ESC-50, VGGSound, AVE, LVU) or named. Files that are missing or cannot
be read are left out and named; silent files and videos without sound are kept and named.
"""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from soundstage import cli
from soundstage.errors import UserError
from soundstage.evaluate import benchmarks, decode, store, tasks
from soundstage.evaluate.roles import carve, check_roles
from soundstage.evaluate.schema import GROUPS
from soundstage.evaluate.settings import Settings
from soundstage.files import read_json
from soundstage.model.settings import Model
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
    cli.add_settings(parser, Settings)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    inputs = load(Model, arguments.model_settings).inputs
    group = arguments.group or find_group(arguments.folder, arguments.benchmark)
    benchmark = benchmarks.load(arguments.folder, arguments.layout)
    decoded = decode_all(benchmark, arguments.benchmark, group, inputs, arguments.settings)
    store.save(arguments.out, decoded)
    for kind in ("dropped", "flagged"):
        for row in decoded.about[kind]:
            cli.say(f"{kind}: {row['clip']}: {row['reason']}")
    cli.say(
        f"{arguments.benchmark}: {len(decoded.clips)} clips, "
        f"{len(decoded.about['dropped'])} dropped, {len(decoded.about['flagged'])} flagged"
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


def decode_all(benchmark, name, group, inputs, settings):
    """Return the `store.Decoded` of a `benchmarks.Benchmark`; clips that cannot be read are named.

    inputs: `soundstage.model.settings.Inputs`. UserError when a rotation is left without training
    or test clips.
    """
    kept, sounds, pictures, flagged = [], [], [], []
    dropped = [{"clip": clip, "reason": reason} for clip, reason in benchmark.left_out]
    for number, clip in enumerate(cli.progress(benchmark.clips, len(benchmark.clips), name, "clips")):
        try:
            sound, picture, odd = read_clip(clip, benchmark.media, inputs, settings)
        except UserError as error:
            dropped.append({"clip": clip.name, "reason": error.what})
            continue
        flagged += [{"clip": clip.name, "reason": odd}] if odd else []
        kept.append(number)
        sounds.append(sound)
        pictures.append(picture)
    clips = [benchmark.clips[number] for number in kept]
    roles = carve(benchmark.roles[:, kept], [c.recording for c in clips], settings.validation_percent, name)
    about, labels = described(benchmark, kept)
    for entry, _, _, part in tasks.split({**about, "benchmark": name, "metric": ""}, labels, roles):
        check_roles(part, entry, len(dropped))
    about |= {"benchmark": name, "group": group, "metric": benchmark.metric}
    about |= {"media": benchmark.media, "layout": benchmark.layout}
    about |= {"classes": list(benchmark.classes), "inputs": dataclasses.asdict(inputs)}
    about |= {"dropped": dropped, "flagged": flagged}
    return store.Decoded(
        about,
        np.array([clip.name for clip in clips]),
        labels,
        roles,
        *stacked(sounds, (1, inputs.mels, inputs.mel_frames), np.float32),
        *stacked(pictures, (inputs.frames, inputs.resize_height, inputs.resize_width, 3), np.uint8),
    )


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


def read_clip(clip, media, inputs, settings):
    """Return (sound windows or None, picture windows or None, what is odd or "") of one clip.

    UserError when the file is missing or what the benchmark is about cannot be read.
    """
    if not clip.path.is_file():
        raise UserError("missing file", clip.path)
    pictures = None if media == "audio" else decode.picture_windows(clip.path, inputs)
    if media == "video":
        return None, pictures, ""
    try:
        samples = decode.read_sound(clip.path)
    except UserError as error:
        if media == "audio":
            raise
        return None, pictures, f"{error.what}: {decode.STAND_IN}"
    silent = decode.peak_db(samples) < settings.silence_db
    odd = decode.SILENT.format(f"{settings.silence_db:g}") if silent else ""
    return decode.sound_windows(samples, inputs), pictures, odd


def one_hot(labels, classes):
    """Return (clips, classes) uint8 of 0/1 from a list of tuples of class numbers."""
    table = np.zeros((len(labels), classes), np.uint8)
    for row, numbers in zip(table, labels, strict=True):
        row[list(numbers)] = 1
    return table


def stacked(parts, shape, kind):
    """Return (windows of all clips, (windows,) int32 clip numbers); None has no window."""
    present = [(number, part) for number, part in enumerate(parts) if part is not None]
    owners = [np.full(len(part), number, np.int32) for number, part in present]
    if not present:
        return np.zeros((0, *shape), kind), np.zeros(0, np.int32)
    return np.concatenate([part for _, part in present]), np.concatenate(owners)


if __name__ == "__main__":
    cli.run(main)
