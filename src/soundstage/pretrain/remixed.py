"""Cut one film's clips out of its remix, as the audio tower reads them; joined to the film's inputs.

    python -m soundstage.pretrain.remixed --film film-003 --track work/shards/remix/film-003.flac \\
        --clips work/clips/film-003/clips.parquet --out work/pretrain/remix/film-003.npz

Only runs whose second view is a remix read these, so that shards and inputs of all others do not
change. The file holds start_seconds (clips,) float64, sounds (clips, mels, mel frames) float16 in
dB, and about, a JSON text.
"""

import json
from dataclasses import asdict

import numpy as np
import torch

from soundstage.cli import add_settings, parser, progress, run
from soundstage.files import atomic
from soundstage.model.inputs import log_mel
from soundstage.model.settings import Model
from soundstage.shards.write import cut_file, read_clips

BATCH = 32


def main():
    """Read the command line and write one film's remixed clips."""
    arguments = parser(__doc__)
    arguments.add_argument("--film", required=True, help="the film's id")
    arguments.add_argument("--track", required=True, help="FLAC of shards.remix")
    arguments.add_argument("--clips", required=True, help="clips.parquet of the film")
    arguments.add_argument("--out", required=True, help=".npz file to be written")
    add_settings(arguments, Model)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    rows, _ = read_clips(options.clips)
    film = remixed(options.film, options.track, rows, options.settings.inputs)
    with atomic(options.out) as path:
        np.savez(path, **film)


def remixed(film, track, rows, inputs):
    """Return {name: array} as the module's docstring lists them; clips that the track does not reach are left out.

    rows: dicts of a clips table; the remix has the original's timing, so that no offset is needed.
    """
    kept, sounds = [], []
    for start in progress(range(0, len(rows), BATCH), -(-len(rows) // BATCH), f"{film}: remix", "batches"):
        cuts = [(row, cut_file(track, row, 0.0, 1.0)) for row in rows[start : start + BATCH]]
        cuts = [(row, sound) for row, sound in cuts if sound is not None]
        if cuts:
            kept += [float(row["start_seconds"]) for row, _ in cuts]
            sounds.append(log_mel(np.stack([sound for _, sound in cuts]), inputs)[:, 0].numpy().astype(np.float16))
    empty = np.zeros((0, inputs.mels, inputs.mel_frames), np.float16)
    return {
        "about": np.array(json.dumps({"film": film, "inputs": asdict(inputs)}, sort_keys=True)),
        "start_seconds": np.array(kept, np.float64),
        "sounds": np.concatenate([empty, *sounds]),
    }


if __name__ == "__main__":
    run(main)
