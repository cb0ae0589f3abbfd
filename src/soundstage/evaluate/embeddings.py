"""Embeddings of a whole benchmark by one run's towers, made once, in bounded memory, and gone on with after a crash."""

import dataclasses
from pathlib import Path

import numpy as np

from soundstage.evaluate import frozen
from soundstage.evaluate.ahead import ahead
from soundstage.evaluate.prepare import read_clip
from soundstage.files import atomic
from soundstage.model.settings import Inputs
from soundstage.recipe import recipe
from soundstage.settings import build

SAVED_CLIPS = 256  # clips between two moments from which an interrupted work can go on


def embed(towers, decoded, hashes, folder, settings, workers=1):
    """Return {"audio" | "video": (clips, dim) float32} of a benchmark, NaN where a clip has none.

    They are kept in `folder` under a fingerprint of weights, inputs and code, and read from there
    when it is the same; so is what an interrupted call had embedded.
    """
    path, batch, clips = folder / f"{decoded.about['benchmark']}.npz", settings.batch_windows, len(decoded.clips)
    code = "evaluate.embeddings" if "paths" in decoded.about else "evaluate.frozen"
    fingerprint = " ".join([*hashes, recipe(code)])
    found = kept(path, fingerprint)
    if found is not None:
        return found
    owners = {"audio": decoded.log_mel_clip, "video": decoded.frames_clip}
    means = {part: frozen.Means(towers, part, clips, batch) for part, mine in owners.items() if len(mine)}
    part_path = path.with_suffix(".part.npz")
    first = go_on(means, kept(part_path, f"{fingerprint} {batch}"))
    source = windows(decoded, first, settings, workers)
    embed_clips(means, source, first, lambda done: save_means(part_path, f"{fingerprint} {batch}", means, done))
    found = {part: mean.result() for part, mean in means.items()}
    with atomic(path) as temporary:
        np.savez(temporary, fingerprint=np.array(fingerprint), **found)
    part_path.unlink(missing_ok=True)
    return found


def kept(path, fingerprint):
    """Return the arrays in an .npz file of this fingerprint, or None."""
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            if str(file["fingerprint"]) == fingerprint:
                return {name: file[name] for name in file.files if name != "fingerprint"}
    return None


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


def embed_clips(means, source, first, save):
    """Take the windows of all clips into `means`; save(clips done) is called after every SAVED_CLIPS clips.

    A batch never reaches over such a moment, so that an interrupted work ends as another.
    """
    for clip, blocks in source:
        for part, block in blocks:
            if len(block):
                means[part].add(block, np.full(len(block), clip))
        if (clip + 1) % SAVED_CLIPS == 0:
            for mean in means.values():
                mean.flush()
            save(clip + 1)


def go_on(means, saved):
    """Fill `means` with what `save_means` saved, if anything; return the number of the first clip left."""
    for part, mean in means.items() if saved else ():
        mean.sums, mean.counts = saved.get(f"{part}_sums"), saved[f"{part}_counts"]
    return int(saved["done"]) if saved else 0


def save_means(path, fingerprint, means, done):
    """Save the means of the first `done` clips, after a flush."""
    arrays = {f"{part}_counts": mean.counts for part, mean in means.items()}
    arrays |= {f"{part}_sums": mean.sums for part, mean in means.items() if mean.sums is not None}
    with atomic(path) as temporary:
        np.savez(temporary, fingerprint=np.array(fingerprint), done=np.array(done), **arrays)
