"""Train the small networks of the embedded standard features on scenes made for that alone.

    python -m soundstage.teachers.miniature_train --out work/studio/models/miniature --scenes scenes

The scenes are planned like those of the studio's LLP- and AVE-like sets, from seeds that no corpus
uses, and rendered at eight pictures a second without being encoded. The networks learn from weak
labels alone: which classes occur somewhere in a video. A second's probability is a class's own, the
video's is their mean weighted by themselves (linear softmax). Two fifths of an hour on one core.
"""

import dataclasses
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from soundstage import cli
from soundstage.files import atomic, write_text
from soundstage.parse.classes import AVE, LLP, SECONDS
from soundstage.studio import ave, ave_classes, ave_plan, llp, llp_plan
from soundstage.teachers import miniature
from soundstage.teachers.segments import PICTURES_PER_SECOND
from soundstage.units import VIDEO_FPS, rng_of

LLP_SEED, AVE_SEED = 77001, 77002  # of scenes that are in no corpus
CLASSES = ave_classes.EVERY
HELD_OUT = 10  # one scene of so many is kept to measure the networks
BATCH = 32  # videos of a step
# Of these, a scene of one kind does not say which it is: who speaks, in LLP's; that somebody does, in AVE's.
UNKNOWN = {"llp": tuple(ave_classes.ADULTS), "ave": ("Speech",)}


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is made and for how long it is learnt."""

    llp_scenes: int = 500
    ave_scenes: int = 400
    epochs: int = 12
    learning_rate: float = 2e-3
    workers: int = 2


def main():
    """Read the flags, make the scenes that are not there yet, train, write."""
    parser = cli.parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder that gets the weights and a model card")
    parser.add_argument("--scenes", type=Path, required=True, help="folder of scenes, 1 GB; those there are kept")
    parser.add_argument("--workers", type=int, default=1, help="processes that make scenes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = Size(workers=options.workers)
    scenes = material(options.scenes, size)
    lines = []
    for name in miniature.SHAPES:
        net, reached = train(name, scenes, size)
        path, digest = miniature.save(name, net, options.out)
        count = sum(x.numel() for x in net.parameters())
        lines.append(f"| {name} | {count} | {reached} | `{path.name}` | `{digest}` |")
    write_text(options.out / "MODEL_CARD.md", card(lines, size))


def plan(size):
    """Return a list of (kind, number) of every scene."""
    return [("llp", number) for number in range(size.llp_scenes)] + [
        ("ave", number) for number in range(size.ave_scenes)
    ]


def material(folder, size):
    """Return {"audio", "frame", "labels", "known"} of all scenes as arrays, made where they are missing.

    audio: (n, 10, 96, 64) float16; frame: (n, 80, 3, 64, 64) uint8; labels, known: (n, classes) bool.
    """
    planned = plan(size)
    paths = [folder / f"{kind}-{number:05d}.npz" for kind, number in planned]
    todo = [(kind, number, path) for (kind, number), path in zip(planned, paths, strict=True) if not path.is_file()]
    with ProcessPoolExecutor(size.workers) as pool:
        for _ in cli.progress(pool.map(make, todo, chunksize=4), len(todo), "scenes", "scenes"):
            pass
    found = [np.load(path) for path in cli.progress(paths, len(paths), "reading", "scenes")]
    return {key: np.stack([one[key] for one in found]) for key in ("audio", "frame", "labels", "known")}


def make(job):
    """Make one scene, (kind, number, path), and write what the networks read of it."""
    kind, number, path = job
    torch.set_num_threads(1)
    if kind == "llp":
        scene = llp_plan.scene(LLP_SEED, "train", number)
        frames, heard = pictures_of(llp.take(scene, LLP_SEED))
        named = scene.labels()
    else:
        scene = ave_plan.scene(AVE_SEED, "train", number)
        frames, heard = pictures_of(ave.take(scene, AVE_SEED))
        named = [ave_classes.thing(scene.events[0].name)]
    values = {
        "audio": miniature.sounds(heard)[:, 0].numpy().astype(np.float16),
        "frame": miniature.squares(frames, miniature.FRAME_PIXELS).numpy(),
        "labels": np.isin(CLASSES, named),
        "known": ~np.isin(CLASSES, UNKNOWN[kind]),
    }
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **values)


def pictures_of(taken):
    """Return (eight pictures a second, sound) of what `llp.take` returns."""
    frames, heard = taken
    wanted = set(np.round(np.arange(SECONDS * PICTURES_PER_SECOND) * VIDEO_FPS / PICTURES_PER_SECOND).astype(int))
    return [frame for index, frame in enumerate(frames) if index in wanted], heard


def inputs_of(name, scenes, chosen, rng):
    """Return (videos * seconds, ...) float32 inputs of a network for scenes `chosen`; rng: None to measure.

    To measure all ten seconds are looked at. In training half of them are drawn, a picture of each;
    videos are mirrored and sounds change their level.
    """
    seconds = np.arange(SECONDS) if rng is None else np.sort(rng.permutation(SECONDS)[: SECONDS // 2])
    if name == "audio":
        sound = torch.from_numpy(scenes["audio"][chosen][:, seconds]).float()
        if rng is not None:
            sound = sound + torch.from_numpy(rng.normal(0, 0.7, (len(chosen), 1, 1, 1)).astype(np.float32))
        return sound.flatten(0, 1)[:, None]
    pictures = scenes["frame"][chosen]
    if rng is not None:
        mirrored = rng.uniform(size=len(chosen)) < 0.5
        pictures = np.where(mirrored[:, None, None, None, None], pictures[..., ::-1], pictures)
    if name == "frame":
        first = rng.integers(0, PICTURES_PER_SECOND, len(seconds)) if rng is not None else np.full(SECONDS, 4)
        places = seconds * PICTURES_PER_SECOND + first
        return miniature.scaled(torch.from_numpy(np.ascontiguousarray(pictures[:, places])).flatten(0, 1))
    places = (seconds[:, None] * PICTURES_PER_SECOND + np.arange(PICTURES_PER_SECOND)).ravel()
    whole = torch.from_numpy(np.ascontiguousarray(pictures[:, places])).flatten(0, 1).float()
    side = miniature.MOTION_PIXELS
    small = F.interpolate(whole, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return miniature.rows(small / 127.5 - 1).contiguous()


def video_probabilities(logits, videos):
    """Return (videos, classes): the seconds' probabilities (videos * seconds, classes), weighted by themselves."""
    p = torch.sigmoid(logits).unflatten(0, (videos, -1))
    return (p.square().sum(1) / p.sum(1).clamp(min=1e-6)).clamp(1e-6, 1 - 1e-6)


def train(name, scenes, size):
    """Return (a trained network, what it reaches on the scenes held out, as text)."""
    torch.manual_seed(0)
    net = miniature.network(name, len(CLASSES))
    places = np.arange(len(scenes["labels"]))
    held, mine = places[places % HELD_OUT == 0], places[places % HELD_OUT != 0]
    steps = -(-len(mine) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), lr=size.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, size.learning_rate, size.epochs * steps, pct_start=0.15)
    for epoch in cli.progress(range(size.epochs), size.epochs, name, "epochs"):
        net.train()
        rng = rng_of(0, "miniature", name, epoch)
        for chosen in np.array_split(rng.permutation(mine), steps):
            value = loss(net, name, scenes, chosen, rng)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            schedule.step()
    return net.eval(), measured(net, name, scenes, held)


def loss(net, name, scenes, chosen, rng):
    """Return the mean binary cross entropy of the videos' weak labels, where they are known."""
    found = video_probabilities(net(inputs_of(name, scenes, chosen, rng)), len(chosen))
    wanted = torch.from_numpy(scenes["labels"][chosen]).float()
    return F.binary_cross_entropy(found, wanted, torch.from_numpy(scenes["known"][chosen]).float())


def measured(net, name, scenes, held):
    """Return the mean average precision, percent, of the weak labels of scenes held out, as text."""
    from sklearn.metrics import average_precision_score

    with torch.inference_mode():
        parts = np.array_split(held, min(10, len(held)))
        found = [video_probabilities(net(inputs_of(name, scenes, part, None)), len(part)) for part in parts]
    found, wanted = torch.cat(found).numpy(), scenes["labels"][held]
    scores = [average_precision_score(wanted[:, c], found[:, c]) for c in np.flatnonzero(wanted.any(0))]
    return f"{100 * np.mean(scores):.1f}"


def card(lines, size):
    """Return the text of the model card."""
    return "\n".join(
        [
            "# Small networks behind the embedded standard features",
            "",
            "What VGGish, ResNet-152 and R(2+1)D are on LLP: a network for sound (log-mels of 0.96 s), for a picture",
            f"(64 x 64), for eight pictures in a row (48 x 48). Trained on {size.llp_scenes} scenes planned like the",
            f"studio's LLP-like set (seed {LLP_SEED}) and {size.ave_scenes} like its AVE-like set (seed {AVE_SEED}),",
            f"{len(CLASSES)} classes together ({len(LLP)} of LLP, the others of AVE's {len(AVE)}), from weak labels of",
            f"whole videos alone. One scene of {HELD_OUT} was held out; on those the networks reach, with a weak label",
            "that names what is heard or seen, so that neither eye nor ear alone can be right everywhere:",
            "",
            "| network | parameters | mean average precision of the weak label, % | file | SHA-256 |",
            "| --- | --: | --: | --- | --- |",
            *lines,
            "",
            "Made again by `snakemake studio_models`. Weights are in half precision.",
            "",
        ]
    )


if __name__ == "__main__":
    cli.run(main)
