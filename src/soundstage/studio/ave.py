"""Make one part of the studio's AVE-like set of videos, or its annotation files.

    python -m soundstage.studio.ave --part 0 --parts 8 --out-folder work/studio/ave/videos-0
    python -m soundstage.studio.ave --annotations --out-folder work/studio/ave/annotations

Part n holds the videos n, n + parts, ... of train, val and test together, as <id>.mp4: 160 x 120
pixels, ten seconds, with sound. The annotations are in AVE's layout: Annotations.txt with a line per
video (class & id & quality & first second & last second + 1), {train,val,test}_order.h5 with the lines
of each split, labels.h5 (avadataset, one of 29 each second) and mil_labels.h5 (one of 29 each video).
"""

import numpy as np

from soundstage import cli
from soundstage.files import atomic, write_text
from soundstage.parse.classes import AVE, SECONDS
from soundstage.studio import ave_classes, ave_plan, llp
from soundstage.studio.llp_plan import SPLITS


def main(arguments=None):
    """Read the command line and make a part, or the annotations."""
    llp.make(__doc__, ave_plan.scenes, write_annotations, take, arguments)


def take(scene, seed):
    """Return (iterator of frames, sound) of a `Scene`, as `llp.take`, with AVE's classes."""
    return llp.take(scene, seed, ave_classes)


def write_annotations(planned, folder):
    """Write Annotations.txt and the four kinds of .h5 files of the official layout."""
    spans = [ave_plan.span_of(one) for one in planned]
    rows = zip(planned, spans, strict=True)
    lines = [f"{one.events[0].name}&{one.filename}&good&{start}&{end}" for one, (start, end) in rows]
    write_text(folder / "Annotations.txt", "\n".join(lines) + "\n")
    classes = np.array([AVE.index(one.events[0].name) for one in planned])
    dense = np.full((len(planned), SECONDS), len(AVE))
    for row, (start, end), number in zip(dense, spans, classes, strict=True):
        row[start:end] = number
    one_hot = np.eye(len(AVE) + 1, dtype=np.int64)
    _write(folder / "labels.h5", "avadataset", one_hot[dense])
    _write(folder / "mil_labels.h5", "avadataset", one_hot[classes])
    for split in SPLITS:
        order = [line for line, one in enumerate(planned) if one.split == split]
        _write(folder / f"{split}_order.h5", "order", np.array(order, np.int64))


def _write(path, key, array):
    """Write an .h5 file with one array; equal arrays give equal bytes."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary, h5py.File(temporary, "w", track_order=False) as file:
        file.create_dataset(key, data=array, track_times=False)


if __name__ == "__main__":
    cli.run(main)
