"""Train the audio and the video tower of one run with one seed.

    python -m soundstage.pretrain.train --inputs work/pretrain/inputs/*.npz --run dubs --seed 0 \\
        --out work/pretrain/dubs/0/model.pt --settings '{"run": {"views": "dubs"}}'

With --shards work/shards/*.tar instead of --inputs the clips are decoded as they are needed. Under
`torchrun --nproc-per-node 8 -m -- soundstage.pretrain.train ...` the processes share every batch
(the two hyphens keep torchrun from taking --run for a flag of its own).

Writes model.pt (towers and projections), and beside it metrics.jsonl (a line every log_steps, one with
the retrieval on validation films every validation_steps, the last one with that on all held-out
films), retrieval.json, speed.jsonl (clips/s, share of the time without data, memory every log_steps:
what is not the same at every run), the TensorBoard folder tensorboard/ with all of it, and while it
runs checkpoint/. A killed training goes on from its checkpoint and ends with the same bits; on SIGTERM
it saves one first, on SIGUSR1 it saves one and goes on. By default one thread of a CPU, so that the
weights do not depend on how many cores there are.
"""

import dataclasses
import functools
import hashlib
import pickle
import signal
from pathlib import Path

import numpy as np
import torch

from soundstage.cli import add_settings, parser, run, say
from soundstage.errors import UserError
from soundstage.files import sha256, write_json
from soundstage.model.whole_norm import whole_batch_norms
from soundstage.pretrain import checkpoint, held_out, learner
from soundstage.pretrain.clips import content_id, load_clips
from soundstage.pretrain.feed import Feed
from soundstage.pretrain.group import join
from soundstage.pretrain.loop import Loop
from soundstage.pretrain.memory import keep_freed_memory
from soundstage.pretrain.records import Records, Silent
from soundstage.pretrain.retrieval import evaluate
from soundstage.pretrain.settings import Settings
from soundstage.pretrain.stream import StreamFeed
from soundstage.pretrain.survey import survey
from soundstage.recipe import recipe

# what torch.load and load_state_dict raise for what is no model.pt, or one of other towers
UNREADABLE = (OSError, EOFError, KeyError, RuntimeError, ValueError, TypeError, AttributeError, pickle.UnpicklingError)


def main():
    """Read the command line and train one run."""
    arguments = parser(__doc__)
    source = arguments.add_mutually_exclusive_group(required=True)
    source.add_argument("--inputs", nargs="+", help=".npz files of prepare")
    source.add_argument("--shards", nargs="+", help=".tar files of shards, read as they are")
    arguments.add_argument("--run", required=True, help="name of the run, for the records")
    arguments.add_argument("--seed", type=int, required=True, help="seed of every draw")
    arguments.add_argument("--out", required=True, help="model.pt to be written")
    arguments.add_argument("--fresh", action="store_true", help="forget a checkpoint and start from the first step")
    arguments.add_argument(
        "--remix", metavar="FOLDER", help="files of remixed by the names of --inputs, for views remix"
    )
    arguments.add_argument(
        "--start-from",
        metavar="MODEL_PT",
        help="begin with the towers of an earlier run; needed where the settings' run.start_from names one",
    )
    add_settings(arguments, Settings)
    options = arguments.parse_args()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # outside of the loop there is nothing new to save
    with join(options.settings.engine.device) as group:
        train(options, group)


def train(options, group):
    """Train, evaluate the retrieval and write everything; `options` are the command line's."""
    settings, seed = options.settings, options.seed
    check_start(options)
    fix_threads(settings.engine.threads, group.device)
    folder = Path(options.out).parent
    mark = fingerprint(options, group)
    if options.fresh and group.first:
        checkpoint.remove(folder / "checkpoint")
    group.highest(0)  # wait for the removal
    state = checkpoint.load(folder / "checkpoint", mark)
    windows, feed = source_of(options, group)
    student = learner.initial(settings, seed, feed.plain_batches(settings.calibration_batches), placed(group))
    if options.start_from:
        take_over(student, options.start_from)
    if settings.engine.compile:
        for tower in student.backbone.values():
            tower.compile(dynamic=False)
    records = records_of(options, group, state)
    measure = functools.partial(evaluate, student, windows, settings.model.inputs, group)
    if settings.run.train:
        loop = Loop(student, feed, records, settings, seed, group, functools.partial(measure, ("valid",)))
        if state is not None:
            loop.restore(state)
        del state  # as large as weights and optimiser together
        loop.run(lambda found: checkpoint.save(folder / "checkpoint", mark, found))
    retrieval, left_out = measure(), sum(group.all_of(len(windows.broken)))
    if group.first:
        finish(student, retrieval, left_out, records, options)
        checkpoint.remove(folder / "checkpoint")


def records_of(options, group, state):
    """Return the `Records` of a training that begins, or goes on from the state of a checkpoint."""
    label = f"{options.run}, seed {options.seed}"
    if not group.first:
        return Silent(label)
    told = (state["history"], state["step"]) if state else ()
    return Records(Path(options.out).parent, label, *told)


def check_start(options):
    """Raise a UserError when the run's start_from and --start-from cannot be what is meant."""
    name = options.settings.run.start_from
    if name and not options.start_from:
        raise UserError(
            f"expected the model.pt of the run {name!r}, which the settings tell this run to begin with, found none",
            "--start-from",
            f'give --start-from work/pretrain/{name}/{options.seed}/model.pt, or set run.start_from to ""',
        )
    if options.start_from and not Path(options.start_from).is_file():
        raise UserError("expected the model.pt of an earlier run, found no file", options.start_from)


def fingerprint(options, group):
    """Return all that decides the outcome of a training, as a dict that JSON can hold."""
    mark = {
        "settings": dataclasses.asdict(options.settings),
        "run": options.run,
        "seed": options.seed,
        "code": recipe("pretrain.train"),
        "processes": group.processes,
        "device": group.device.type,  # bfloat16 on a GPU: what follows would be another training
    }
    if options.start_from:
        mark["start_from"] = sha256(options.start_from)
    if options.remix:
        mark["remix"] = {path.name: content_id(path) for path in remixes(options)}
    if options.inputs:
        return {**mark, "inputs": {Path(path).name: content_id(path) for path in options.inputs}}
    return {**mark, "shards": {Path(path).name: shard_id(path) for path in options.shards}}


def remixes(options):
    """Return the paths of the remixed clips of every film, none where the run hears no remix."""
    return [Path(options.remix, Path(path).name) for path in options.inputs] if options.remix else []


def shard_id(path):
    """Return what tells a tar from another: its size and a hash of its first mebibyte."""
    try:
        with open(path, "rb") as file:
            start = hashlib.sha256(file.read(2**20)).hexdigest()
    except OSError as error:
        raise UserError(f"cannot read the shard ({error.strerror})", path) from None
    return f"{Path(path).stat().st_size} {start}"


def source_of(options, group):
    """Return (the held-out windows, see `soundstage.pretrain.held_out`; feed of training batches)."""
    settings, seed = options.settings, options.seed
    if options.inputs:
        corpus = load_clips(options.inputs, settings.model.inputs, remixes(options))
        share = None if group.processes == 1 and group.device.type == "cpu" else group
        train_clips = corpus.rows(np.flatnonzero(corpus.split == "train"))
        return held_out.FromInputs(corpus, settings, group), Feed(train_clips, settings, seed, share)
    if settings.run.views == "remix":
        raise UserError(
            "a training on shards cannot hear a remix, which is not in them", fix="give --inputs and --remix"
        )
    shards = survey(options.shards, Path(options.out).parent / "descriptions.json", group)
    feed = StreamFeed(shards, settings, seed, group.rank, group.processes, group.device)
    return held_out.FromShards(shards.held_out, settings, seed, group), feed


def take_over(student, path):
    """Give `student` the towers of the model.pt of an earlier run; UserError when they do not fit."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)["model"]
        weights = {
            name.removeprefix("backbone."): value for name, value in found.items() if name.startswith("backbone.")
        }
        student.backbone.load_state_dict(weights)
    except UNREADABLE as error:
        fix = "give the model.pt of a run with the same settings of model"
        reason = str(error).partition("\n\n")[0]  # torch goes on about how to open files of unknown origin
        raise UserError(f"cannot begin with these towers: {reason}", path, fix) from None


def placed(group):
    """Return what is done to fresh towers: onto the device, batch norms over all processes."""
    if group.processes == 1 and group.device.type == "cpu":
        return None

    def place(student):
        if group.processes > 1:
            whole_batch_norms(student)
        student.to(group.device)

    return place


def fix_threads(threads, device):
    """Make the outcome on a CPU independent of the number of cores; comes before other torch calls."""
    torch.set_num_threads(threads)
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # a search for bugs, 5 % of a step
        keep_freed_memory()


def finish(student, retrieval, left_out, records, options):
    """Write model.pt and the records; left_out: held-out clips that were broken."""
    settings = options.settings
    if left_out:
        say(f"{records.label}: {left_out} held-out clips are broken and left out of the retrieval")
    if not retrieval:
        say(f"{records.label}: no held-out windows, so no retrieval is measured")
    write_json(Path(options.out).with_name("retrieval.json"), retrieval)
    counted = {"held_out_broken": left_out} if left_out else {}
    records.last({"step": settings.steps if settings.run.train else 0, "retrieval": retrieval, **counted})
    # the heads are of use for retrieval alone; what reads frozen towers takes the backbone
    weights = {
        f"{part}.{name}": value.cpu()
        for part in ("backbone", "heads")
        for name, value in getattr(student, part).state_dict().items()
    }
    about = {"settings": dataclasses.asdict(settings), "run": options.run, "seed": options.seed}
    checkpoint.save_bytes(options.out, {"model": weights, **about})


if __name__ == "__main__":
    run(main)
