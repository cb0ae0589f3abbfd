"""Pack the features of a split into one file that trainings read whole.

    python -m soundstage.parse.pack --annotations ../shared/llp --split train \\
        --audio feats/vggish --visual-2d feats/res152 --visual-3d feats/r2plus1d_18 --out train.npz

A folder holds a .npy file per video, named by the first eleven letters of its name, as the authors
released them. Pictures (10 k, dim) are averaged over each second, and a map of audio (with
--audio-map FREQUENCIES TIMES) over each tenth: the networks do that after a linear layer, which
gives the same. A video with a missing, unreadable or misshapen file is left out, counted and named.
"""

from pathlib import Path

import numpy as np

from soundstage import cli
from soundstage.errors import UserError
from soundstage.parse import annotations, store
from soundstage.parse.classes import SECONDS

SHOWN_NAMES = 5  # most names in a line
ID_LETTERS = 11  # a file is named by so many letters of its video's name: the id without the times


def main():
    """Read the flags, pack, write."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="folder with LLP's AVVP_*.csv or AVE's files")
    parser.add_argument("--split", required=True, choices=["train", "val", "test"])
    for name in store.INPUTS:
        parser.add_argument(f"--{name.replace('_', '-')}", required=True, nargs="+", help="folders of .npy files")
    parser.add_argument("--audio-map", nargs=2, type=int, metavar=("FREQUENCIES", "TIMES"))
    parser.add_argument("--out", required=True, help="the .npz file to write")
    arguments = parser.parse_args()
    names = annotations.names(arguments.annotations, arguments.split)
    folders = {name: getattr(arguments, name) for name in store.INPUTS}
    packed = pack(names, folders, arguments.audio_map)
    report(packed.dropped, len(names), "features")
    store.save_features(arguments.out, packed)


def pack(names, folders, audio_map=None):
    """Return the `store.Packed` of the videos `names`; folders: {input: folder, or several}.

    UserError when no video is complete, or files of one folder differ in their last dimension.
    """
    reducers = {name: mean_of_seconds for name in store.INPUTS}
    if audio_map:
        reducers["audio"] = _map_reducer(*audio_map)
    kept, rows, dropped = [], {name: [] for name in store.INPUTS}, []
    for name in cli.progress(names, len(names), "pack", "videos"):
        found, reason = _read_video(name, folders, reducers)
        if reason:
            dropped.append({"filename": name, "reason": reason})
            continue
        kept.append(name)
        for key, value in found.items():
            rows[key].append(value)
    if not kept:
        raise UserError(f"none of {len(names)} videos has features: {dropped[0]['reason']}", folders["audio"])
    return store.Packed(
        tuple(kept), {key: _stacked(value, folders[key]) for key, value in rows.items()}, tuple(dropped)
    )


def _read_video(name, folders, reducers):
    """Return ({input: (10, dim) float32}, "") of one video, or (None, why not)."""
    found = {}
    for key, folder in folders.items():
        value, reason = read_array(folder, name)
        if value is not None:
            value = reducers[key](value)
            reason = "" if value is not None else "misshapen"
        if reason:
            return None, f"{key}: {reason}"
        found[key] = value
    return found, ""


def read_array(folder, name):
    """Return (finite array, "") of the file of one video in a folder, or the first of several that has it;
    or (None, why not).
    """
    paths = [Path(one, name[:ID_LETTERS] + ".npy") for one in ([folder] if isinstance(folder, str | Path) else folder)]
    path = next((one for one in paths if one.is_file()), paths[0])
    try:
        value = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return None, "missing"
    except (OSError, ValueError, EOFError):
        return None, "unreadable"
    if not np.isfinite(value).all():
        return None, "not finite"
    return value, ""


def mean_of_seconds(value):
    """Return (10, dim) float32 of (10 k, dim), each the mean of k rows; None for another shape."""
    if value.ndim != 2 or not len(value) or len(value) % SECONDS:
        return None
    return value.reshape(SECONDS, -1, value.shape[1]).mean(1, dtype=np.float64).astype(np.float32)


def _map_reducer(frequencies, times):
    from soundstage.parse.networks import map_pooling

    pooling = map_pooling(frequencies, times).numpy().astype(np.float64)

    def reduce(value):
        fits = value.ndim == 2 and len(value) == frequencies * times
        return (pooling @ value).astype(np.float32) if fits else None

    return reduce


def _stacked(values, folder):
    sizes = sorted({value.shape[1] for value in values})
    if len(sizes) > 1:
        raise UserError(f"expected files of one last dimension, found {sizes}", folder)
    return np.stack(values)


def report(dropped, total, what):
    """Say on stderr which of `total` videos have no features or labels, by reason."""
    for reason in sorted({entry["reason"] for entry in dropped}):
        names = [entry["filename"] for entry in dropped if entry["reason"] == reason]
        more = ", ..." if len(names) > SHOWN_NAMES else ""
        shown = ", ".join(names[:SHOWN_NAMES])
        cli.say(f"warning: {what} of {len(names)} of {total} videos left out ({reason}): {shown}{more}")


if __name__ == "__main__":
    cli.run(main)
