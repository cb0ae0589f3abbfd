"""Decode one film's shards once into what the towers read, for all runs and seeds.

    python -m soundstage.pretrain.prepare --shards work/shards/film-003-*.tar \\
        --out work/pretrain/inputs/film-003.npz

On a CPU decoding would otherwise cost more than the training. The file holds plain arrays only:
sounds (sounds, mels, mel frames) float16 in dB; pictures (clips, frames, height, width, 3) uint8;
speech (clips, languages) and nospeech (clips,) int32, rows of sounds or -1; start_seconds,
end_seconds; about, a JSON text.
"""

import json
import tarfile
from dataclasses import asdict

import numpy as np
import torch
import webdataset

from soundstage.cli import add_settings, parser, progress, run
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.media import decode_clip, decode_flac
from soundstage.model.inputs import log_mel, resize_frames, spread
from soundstage.model.settings import Model
from soundstage.units import seconds_to_frames, seconds_to_samples


def main():
    """Read the command line and write one film's inputs."""
    arguments = parser(__doc__)
    arguments.add_argument("--shards", nargs="+", required=True, help="all tars of one film")
    arguments.add_argument("--out", required=True, help=".npz file to be written")
    add_settings(arguments, Model)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    film = prepare(options.shards, options.settings.inputs)
    with atomic(options.out) as path:
        np.savez(path, **film)


def prepare(shards, inputs):
    """Return {name: array} of one film, as the module's docstring lists them; clips in order."""
    clips, pictures, sounds, rows = [], [], [], []
    for sample in progress(_samples(shards), _count(shards), "prepare", "clips"):
        members = _sound_members(sample)
        rows.append({name: len(sounds) + place for place, name in enumerate(members)})
        sounds.extend(decode_sounds([sample[name] for name in members], inputs))
        pictures.append(decode_picture(sample, inputs))
        clips.append(sample["json"])
    order = sorted(range(len(clips)), key=lambda number: clips[number]["clip"])
    languages = sorted({name for clip in clips for name in clip["languages"]})
    return {
        "about": np.array(_about(clips, languages, inputs, shards)),
        "start_seconds": np.array([clips[n]["start_seconds"] for n in order], np.float64),
        "end_seconds": np.array([clips[n]["end_seconds"] for n in order], np.float64),
        "speech": _numbered(clips, rows, order, [f"{name}.flac" for name in languages]),
        "nospeech": _numbered(clips, rows, order, ["{original_language}.nospeech.flac"])[:, 0],
        "sounds": np.array(sounds, np.float16).reshape(-1, inputs.mels, inputs.mel_frames),
        "pictures": np.array([pictures[n] for n in order], np.uint8).reshape(
            len(clips), inputs.frames, inputs.resize_height, inputs.resize_width, 3
        ),
    }


def _samples(shards):
    """Yield the decoded samples of tars, in order; an empty tar yields none."""
    every_process_reads_all = lambda urls: urls  # noqa: E731  (also where several train together)
    yield from webdataset.WebDataset(
        [str(path) for path in shards], shardshuffle=False, empty_check=False, nodesplitter=every_process_reads_all
    ).decode()


def _count(shards):
    """Return how many samples the tars hold, from their headers alone."""
    count = 0
    for path in shards:
        with tarfile.open(path) as tar:
            count += sum(name.endswith(".json") for name in tar.getnames())
    return count


def _about(clips, languages, inputs, shards):
    """Return the JSON text about a film; UserError when the clips are of several films."""
    about = {"languages": languages, "inputs": asdict(inputs)}
    for name in ("film", "split", "original_language"):
        values = sorted({clip[name] for clip in clips})
        if len(values) > 1:
            raise UserError(f"expected the shards of one film, found {name} {values}", shards[0])
        about[name] = values[0] if values else ""
    return json.dumps(about, sort_keys=True)


def _sound_members(sample):
    """Return the members of a sample that towers may hear: its languages, the original's rest."""
    about = sample["json"]
    names = [f"{name}.flac" for name in about["languages"]]
    names.append(f"{about['original_language']}.nospeech.flac")
    return [name for name in names if name in sample]


def _numbered(clips, rows, order, members):
    """Return (clips, members) int32: the row of each member's sound, -1 where there is none."""
    found = [[rows[n].get(name.format(**clips[n]), -1) for name in members] for n in order]
    return np.array(found, np.int32).reshape(len(order), len(members))


def decode_picture(sample, inputs):
    """Return (frames, resize_height, resize_width, 3) uint8 of one sample's mp4 or jpg members."""
    count = seconds_to_frames(inputs.clip_seconds)
    wanted = spread(count, inputs.frames).tolist()
    if "mp4" in sample:
        return resize_frames(decode_clip(sample["mp4"], wanted), inputs)
    return resize_frames(np.stack([decode_jpeg(sample[f"{n:03d}.jpg"]) for n in wanted]), inputs)


def decode_jpeg(data):
    """Return (height, width, 3) uint8 of a JPEG in memory."""
    import cv2

    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def decode_sounds(members, inputs):
    """Return (sounds, mels, mel frames) float16 of FLAC members; UserError at another length."""
    samples = seconds_to_samples(inputs.clip_seconds)
    audio = [decode_flac(data)[0] for data in members]
    if any(sound.shape != (samples,) for sound in audio):
        found = sorted({sound.shape for sound in audio})
        raise UserError(f"expected {samples} samples in every clip, found shapes {found}")
    return log_mel(np.stack(audio), inputs)[:, 0].numpy().astype(np.float16)


if __name__ == "__main__":
    run(main)
