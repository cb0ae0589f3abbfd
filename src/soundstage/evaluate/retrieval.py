"""How well frozen towers find picture by sound, and sound by picture, on held-out films, in every language.

    python -m soundstage.evaluate.retrieval --model work/pretrain/dubs/0/model.pt \\
        --inputs work/pretrain/inputs/film-3.npz --out work/evaluate/dubs/0/retrieval.json

Sound and picture are compared as the training compared them, through its projections, without views;
only clips of the splits valid and test count, and of these windows that do not overlap. The result is
a list of recalls and of language gaps (see `measure`) with the hashes of what they were measured on.
"""

import pickle

import numpy as np
import torch

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import sha256, write_json
from soundstage.model.inputs import to_video
from soundstage.pretrain.clips import load_clips
from soundstage.pretrain.learner import Learner
from soundstage.pretrain.retrieval import RANKS, held_out, recall
from soundstage.pretrain.settings import Settings
from soundstage.settings import load as load_settings

BATCH = 64


def main():
    """Read the flags, embed, compare, write."""
    parser = cli.parser(__doc__)
    parser.add_argument("--model", required=True, help="model.pt of a pretraining run")
    parser.add_argument("--inputs", nargs="+", required=True, help=".npz files of pretrain.prepare, of held-out films")
    parser.add_argument("--out", required=True, help="the JSON file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    learner, about = frozen_learner(options.model)
    clips = load_clips(options.inputs, about["inputs"])
    chosen = held_out(clips)["held_out"]
    if len(chosen) < 2:
        raise UserError(
            f"expected 2 held-out clips or more, found {len(chosen)}", fix="see the split column of films.tsv"
        )
    clips = clips.rows(chosen)
    films = set(clips.film.tolist())
    used = [path for path in options.inputs if any(path.endswith(f"{film}.npz") for film in films)]
    hashes = {path: sha256(path) for path in [options.model, *used]}
    heard = embed_languages(learner, clips)
    entries = measure(*heard, embed_pictures(learner, clips, about["inputs"]), clips)
    write_json(options.out, {"run": about["run"], "seed": about["seed"], "inputs": hashes, "entries": entries})


def frozen_learner(path):
    """Return (`Learner` in evaluation mode, {"run", "seed", "inputs"}) of a model.pt with its projections."""
    try:
        file = torch.load(path, map_location="cpu", weights_only=True)
        settings = load_settings(Settings, file["settings"])
        learner = Learner(settings)
        missing, strange = learner.load_state_dict(file["model"], strict=False)
    except FileNotFoundError:
        raise UserError("expected weights, found nothing", path) from None
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"cannot use these weights ({str(error)[:300]})", path) from None
    if strange or set(missing) - {"log_scale"}:
        fix = "train this run again: retrieval needs the projections, which earlier versions did not keep"
        raise UserError(f"weights are missing or strange: {', '.join([*missing, *strange][:5])}", path, fix)
    about = {"run": str(file["run"]), "seed": int(file["seed"]), "inputs": settings.model.inputs}
    return learner.eval().requires_grad_(False), about


@torch.inference_mode()
def embed_languages(learner, clips):
    """Return (embeddings, projections), each (clips, languages, dim) float32; NaN where a clip lacks a language."""
    rows = np.unique(clips.speech[clips.speech >= 0])
    parts = []
    for start in range(0, len(rows), BATCH):
        sounds = torch.from_numpy(clips.sounds[rows[start : start + BATCH]].astype(np.float32)).unsqueeze(1)
        found = learner.backbone["audio"](sounds)
        parts.append((found, torch.nn.functional.normalize(learner.heads["audio"](found), dim=1)))
    place = np.searchsorted(rows, clips.speech)
    result = []
    for vectors in zip(*parts, strict=True):
        every = torch.cat(vectors).float().numpy()
        chosen = every[np.minimum(place, len(rows) - 1)]
        result.append(np.where((clips.speech >= 0)[:, :, None], chosen, np.nan))
    return result


@torch.inference_mode()
def embed_pictures(learner, clips, inputs):
    """Return the projections of the clips' pictures, (clips, dim) float32 of unit length."""
    starts = range(0, len(clips), BATCH)
    parts = [learner.project("video", to_video(clips.pictures[x : x + BATCH], inputs)) for x in starts]
    return torch.cat(parts).float().numpy()


def measure(embedded, heard, seen, clips):
    """Return the entries of retrieval.json: dicts tracks, direction, metric, value, n and chance.

    embedded: (clips, languages, dim) sounds as probes read them; heard: the same in the space of the
    objective, of unit length, NaN where a clip lacks a language; seen: (clips, dim) of unit length. tracks says
    which sounds are compared: original (of the clips that have a dub), dub (theirs, each of a clip's dubs in its
    turn), or a language (of the clips that have it). The direction dub_to_original finds the clip's
    original among the originals by a dub. Language gaps: see `language_gap`.
    """
    column = (clips.speech == clips.original[:, None]).argmax(1)
    present = clips.speech >= 0
    dubbed = np.flatnonzero(present.sum(1) > 1)
    entries = []
    if len(dubbed) > 1:
        original = heard[dubbed, column[dubbed]]
        turns = [heard[dubbed, turn] for turn in dub_turns(present[dubbed], column[dubbed])]
        entries += both_ways("original", [original], seen[dubbed])
        entries += both_ways("dub", turns, seen[dubbed])
        found = _mean([recall(turn, original) for turn in turns])
        entries += _entries("dub", "dub_to_original", found, "audio_to_video")
    for number, language in enumerate(clips.languages):
        mine = np.flatnonzero(present[:, number])
        if len(mine) > 1:
            entries += both_ways(language, [heard[mine, number]], seen[mine])
    spaces = {"embedding": standardised(embedded, column), "projection": heard}
    for space, vectors in spaces.items():
        gap, pairs = language_gap(vectors, column, clips.film)
        if pairs:
            entries.append(_entry("all", space, "language_gap", gap, pairs, 1.0))
    return entries


def dub_turns(present, original):
    """Yield (clips,) language columns: the first dub of every clip, the second, and so on, in a circle.

    present: (clips, languages) bool; original: (clips,) column, not a dub. As many as the most dubs.
    """
    dubs = present & (np.arange(present.shape[1]) != original[:, None])
    counts = dubs.sum(1)
    order = np.argsort(~dubs, axis=1, kind="stable")
    for turn in range(counts.max()):
        yield order[np.arange(len(dubs)), turn % counts]


def both_ways(tracks, turns, seen):
    """Return the entries of sounds (a list of (n, dim), averaged over) against pictures (n, dim), both ways."""
    found = _mean([recall(heard, seen) for heard in turns])
    return [entry for way in ("audio_to_video", "video_to_audio") for entry in _entries(tracks, way, found, way)]


def _mean(found):
    return {key: float(np.mean([one[key] for one in found])) for key in found[0]}


def _entries(tracks, direction, found, key):
    return [
        _entry(
            tracks,
            direction,
            f"recall_at_{k}_percent",
            found[f"{key}_recall_at_{k}_percent"],
            found["clips"],
            found[f"chance_at_{k}_percent"],
        )
        for k in RANKS
    ]


def _entry(tracks, direction, metric, value, count, chance):
    return {
        "tracks": tracks,
        "direction": direction,
        "metric": metric,
        "value": float(value),
        "n": int(count),
        "chance": float(chance),
    }


def standardised(embedded, original):
    """Return embeddings (clips, languages, dim) with mean 0 and deviation 1 over the originals in each dimension."""
    plain = embedded[np.arange(len(embedded)), original]
    deviation = plain.std(0)
    return (embedded - plain.mean(0)) / np.where(deviation > 1e-12, deviation, np.inf)


def language_gap(vectors, original, film):
    """Return (mean distance of tracks of one clip / mean distance of clips of one film, pairs of tracks).

    vectors: (clips, languages, dim), NaN where there is none; distances are Euclidean. Tracks of a clip are
    compared with one another, clips of a film by their originals. 0 = the language leaves no mark; 1 =
    another language is as far away as another clip. (NaN, 0) where nothing can be compared.
    """
    within, between = [], []
    for clip in vectors:
        tracks = clip[np.isfinite(clip).all(1)]
        within += _distances(tracks)
    plain = vectors[np.arange(len(vectors)), original]
    for name in np.unique(film):
        between += _distances(plain[film == name])
    if not within or not between:
        return float("nan"), 0
    return float(np.mean(within) / np.mean(between)), len(within)


def _distances(vectors):
    """Return the distances of all pairs of (n, dim) vectors as a list."""
    one, other = np.triu_indices(len(vectors), 1)
    return np.linalg.norm(vectors[one] - vectors[other], axis=1).tolist()


if __name__ == "__main__":
    cli.run(main)
