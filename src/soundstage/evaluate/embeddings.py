"""Embeddings of a whole benchmark by one run's towers, made once, in bounded memory, and gone on with after a crash."""

import dataclasses
from pathlib import Path

import numpy as np

from soundstage.evaluate import frozen, resume
from soundstage.evaluate.ahead import ahead
from soundstage.evaluate.prepare import read_clip
from soundstage.model.settings import Inputs
from soundstage.recipe import recipe
from soundstage.settings import build


def embed(towers, decoded, hashes, folder, settings, workers=1):
    """Return {"audio" | "video": (clips, dim) float32} of a benchmark, NaN where a clip has none.

    They are kept in `folder` under a fingerprint of weights, inputs and code, and read from there
    when it is the same; so is what an interrupted call had embedded.
    """
    path, batch, clips = folder / f"{decoded.about['benchmark']}.npz", settings.batch_windows, len(decoded.clips)
    code = "evaluate.embeddings" if "paths" in decoded.about else "evaluate.frozen"
    fingerprint = " ".join([*hashes, recipe(code)])
    found = resume.kept(path, fingerprint)
    if found is not None:
        return found
    owners = {"audio": decoded.log_mel_clip, "video": decoded.frames_clip}
    means = {part: frozen.Means(towers, part, clips, batch) for part, mine in owners.items() if len(mine)}
    work = resume.beside(path, f"{fingerprint} {batch}")
    resume.embed_clips(means, lambda first: windows(decoded, first, settings, workers), work)
    found = {part: mean.result() for part, mean in means.items()}
    resume.keep(path, fingerprint, **found)
    work.remove()
    return found


def windows(decoded, first, settings, workers):
    """Yield (clip number, blocks of (part, windows)) from the clip number `first` on, kept or decoded anew."""
    clips = range(first, len(decoded.clips))
    if "paths" in decoded.about:
        yield from ahead(clips, decoder(decoded, settings), workers)
        return
    for clip in clips:
        sound, picture = (
            _of(clip, decoded.log_mel, decoded.log_mel_clip),
            _of(clip, decoded.frames, decoded.frames_clip),
        )
        yield clip, [("audio", sound), ("video", picture)]


def _of(clip, array, owners):
    return array[slice(*np.searchsorted(owners, (clip, clip + 1)))]


def decoder(decoded, settings):
    """Return a function of a clip's number that yields its windows, as prepare saw them; see `prepare.read_clip`."""
    about = decoded.about
    settings = dataclasses.replace(settings, crops=about["view"][0], short_side_pixels=about["view"][1])
    inputs = build(Inputs, about["inputs"])
    present = {"audio": set(decoded.log_mel_clip.tolist()), "video": set(decoded.frames_clip.tolist())}

    def work(clip):
        for part, block in read_clip(Path(about["paths"][clip]), about["media"], inputs, settings):
            if part in present and clip in present[part]:
                yield part, block

    return work
