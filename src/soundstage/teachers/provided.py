"""Take labels that were harvested elsewhere into the form that trainings read.

    python -m soundstage.teachers.provided --annotations ../shared/llp --split train \\
        --audio CLAP/segment_pseudo_labels --visual CLIP/segment_pseudo_labels --out train.npz

A folder holds a .npy file per video, (10, classes) in [0, 1], named by the first eleven letters of
its name, as the authors released them. Videos without labels are left out, counted and named.
"""

import numpy as np

from soundstage import cli
from soundstage.errors import UserError
from soundstage.parse import annotations, store
from soundstage.parse.classes import LLP, MODALITIES, SECONDS
from soundstage.parse.pack import read_array, report


def main():
    """Read the flags, gather, write."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="folder with LLP's AVVP_*.csv or AVE's files")
    parser.add_argument("--split", required=True, choices=["train", "val", "test"])
    for name in MODALITIES:
        parser.add_argument(f"--{name}", required=True, help="folder of .npy files")
    parser.add_argument("--out", required=True, help="the .npz file to write")
    arguments = parser.parse_args()
    names = annotations.names(arguments.annotations, arguments.split)
    folders = {name: getattr(arguments, name) for name in MODALITIES}
    labels = gather(names, folders, annotations.classes_of(arguments.annotations))
    report(labels.dropped, len(names), "labels")
    store.save_labels(arguments.out, labels)


def gather(names, folders, classes=LLP):
    """Return the `store.Labels` of the videos `names`; folders: {"audio" | "visual": folder}."""
    kept, rows, dropped = [], {key: [] for key in MODALITIES}, []
    for name in names:
        found = {key: _read(folders[key], name, (SECONDS, len(classes))) for key in MODALITIES}
        reasons = [f"{key}: {reason}" for key, (_, reason) in found.items() if reason]
        if reasons:
            dropped.append({"filename": name, "reason": reasons[0]})
            continue
        kept.append(name)
        for key in MODALITIES:
            rows[key].append(found[key][0])
    if not kept:
        raise UserError(f"none of {len(names)} videos has labels: {dropped[0]['reason']}", folders["audio"])
    return store.Labels(tuple(kept), *(np.stack(rows[key]) for key in MODALITIES), tuple(dropped))


def _read(folder, name, shape):
    """Return (labels of `shape` float32, "") of one video, or (None, why not)."""
    value, reason = read_array(folder, name)
    if value is None:
        return None, reason
    if value.shape != shape:
        return None, "misshapen"
    if value.min() < 0 or value.max() > 1:
        return None, "outside 0 to 1"
    return value.astype(np.float32), ""


if __name__ == "__main__":
    cli.run(main)
