"""Train the embedded corpus's own CLIP or CLAP on captioned pictures or sounds of its own.

    python -m soundstage.teachers.learn --modality visual --out work/studio/models [--settings JSON_OR_FILE]

Contrasts pictures (or sounds) with their captions, logs to OUT/NAME.jsonl how many held-out examples of
one class are told right by the prompts of all classes, keeps OUT/NAME-checkpoint/ and goes on from it, and
ends with the folder OUT/NAME, NAME being clip or clap.
"""

import dataclasses
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from soundstage.cli import add_settings, parser, run, say
from soundstage.errors import UserError
from soundstage.pretrain import checkpoint
from soundstage.teachers import captions, sizes
from soundstage.teachers.material import SIDES
from soundstage.teachers.weights import embedding
from soundstage.units import rng_of, seed_of

NAMES = {"visual": "clip", "audio": "clap"}
STEPS = {"visual": 500, "audio": 400}  # with which the models in the package were trained
MOST_SCALE = math.log(100)  # of the logits, as CLIP's authors limit it


@dataclass(frozen=True)
class Training:
    """How the small teachers are trained; every field with its unit."""

    seed: int = 90210  # names the material, the first weights and every batch; no other set has it
    pictures: int = 1000  # rendered at the start; so few that the CLIP errs on unfamiliar ones, as a real CLIP does
    sounds: int = 1260  # of events, rendered at the start; a tenth as many ambiences and pieces of music
    steps: int = 0  # optimiser steps; 0 = those of the package's own model: STEPS
    batch: int = 64  # examples per step, each contrasted with the captions of all
    learning_rate: float = 1.5e-3  # AdamW, highest; falls with a cosine
    weight_decay: float = 0.05  # AdamW
    warmup_steps: int = 60  # of linear rise
    clip_norm: float = 1.0  # longest gradient
    checkpoint_seconds: float = 60.0  # between two checkpoints
    valid_steps: int = 150  # between two validations
    valid_examples: int = 400  # held out, of another seed


def main():
    """Train, or continue, in the folder that the command line names."""
    arguments = parser(__doc__)
    arguments.add_argument("--modality", required=True, choices=list(NAMES), help="visual: a CLIP; audio: a CLAP")
    arguments.add_argument("--out", required=True, type=Path, help="folder for checkpoint, log and model")
    add_settings(arguments, Training)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    name = NAMES[options.modality]
    learner = Learner(options.modality, options.settings)
    learner.train(options.out / f"{name}-checkpoint", options.out / f"{name}.jsonl")
    sizes.save(learner.model, learner.tokenizer, options.out / name, options.modality)


class Learner:
    """A model in training: its material, weights, optimiser and log.

    Every batch depends on the seed and the step alone, so that a training that was stopped and went on ends
    with the weights of one that was not.
    """

    def __init__(self, modality, settings):
        """modality: visual or audio; settings: a `Training`."""
        settings = dataclasses.replace(settings, steps=settings.steps or STEPS[modality])
        self.modality, self.settings = modality, settings
        self.known = captions.words()
        count = settings.pictures if modality == "visual" else settings.sounds
        self.material = SIDES[modality](count, settings.seed, self.known)
        self.valid = SIDES[modality](settings.valid_examples, settings.seed + 1, self.known)
        self.tokenizer = sizes.tokeniser(written(self.material.sense, self.known, settings.seed))
        torch.manual_seed(seed_of("teacher weights", modality, settings.seed))
        make = sizes.clip if modality == "visual" else sizes.clap
        self.model = make(len(self.tokenizer)).train()
        kinds = {True: [], False: []}
        for parameter in self.model.parameters():
            kinds[parameter.dim() > 1].append(parameter)
        groups = [{"params": kinds[True], "weight_decay": settings.weight_decay}]
        groups.append({"params": kinds[False], "weight_decay": 0.0})
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        self.log = []

    def train(self, folder, log):
        """Train to the last step, keeping checkpoints in `folder` and the lines of validations in `log`."""
        first = self._resume(checkpoint.load(folder, self._fingerprint()))
        saved = time.monotonic()
        for step in range(first, self.settings.steps):
            loss = self.step(step)
            done = step + 1
            if done % self.settings.valid_steps == 0 or done == self.settings.steps:
                self._report(done, loss, log)
            if time.monotonic() - saved > self.settings.checkpoint_seconds or done == self.settings.steps:
                saved = time.monotonic()
                checkpoint.save(folder, self._fingerprint(), self._state(done))

    def step(self, step):
        """Take one optimiser step; return the loss, nats."""
        torch.manual_seed(seed_of("teacher step", self.settings.seed, step))
        rng = rng_of("teacher batch", self.settings.seed, step)
        inputs, said, there = self.material.batch(self.settings.batch, rng)
        for group in self.optimiser.param_groups:
            group["lr"] = rate(step, self.settings)
        said += captions.each_class(self.material.sense, rng, self.known)
        output = self.model(**inputs, **sizes.tokens(self.tokenizer, [one.text for one in said]))
        loss = contrast(*logits_of(output), torch.tensor(captions.holds(said, there)))
        if not math.isfinite(loss.item()):
            raise UserError(f"step {step}: the loss is not finite", self.modality, "lower the learning rate")
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimiser.step()
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if name.startswith("logit_scale"):
                    parameter.clamp_(max=MOST_SCALE)
        return loss.item()

    def _report(self, step, loss, log):
        measured = measure(self.model, self.tokenizer, self.valid, self.known, self.settings)
        line = json.dumps({"step": step, "loss": round(loss, 4), **measured})
        self.log.append(line)
        say(line)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("\n".join(self.log) + "\n")

    def _state(self, step):
        state = {"step": step, "log": self.log, "model": self.model.state_dict()}
        return state | {"optimiser": self.optimiser.state_dict()}

    def _resume(self, state):
        if state is None:
            return 0
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.log = list(state["log"])
        say(f"goes on from the checkpoint after step {state['step']}")
        return state["step"]

    def _fingerprint(self):
        """Return the settings that shape the weights."""
        shaping = dataclasses.asdict(self.settings)
        for name in ("checkpoint_seconds", "valid_steps", "valid_examples"):
            del shaping[name]
        return shaping | {"modality": self.modality, "words": self.known}


def logits_of(output):
    """Return the scores of examples (rows) against captions (columns), and the other way round."""
    scores = output.get("logits_per_image", output.get("logits_per_audio"))
    return scores, output["logits_per_text"]


def contrast(forward, backward, true):
    """Return the mean of both ways' cross-entropy, nats, against all captions that hold of an example.

    forward: (examples, captions) scores; backward: (captions, examples); true: (examples, captions) bool,
    whether a caption holds of an example. Where every example has one caption, its own, this is the loss
    of CLIP. With so few classes others' captions often hold too, and to push them away would teach
    what is wrong. A caption that holds of no example counts in the way from examples to captions alone.
    """
    wanted = true.float()
    used = wanted.sum(0) > 0
    rows = F.cross_entropy(forward, wanted / wanted.sum(1, keepdim=True))
    columns = F.cross_entropy(backward[used], (wanted / wanted.sum(0)).T[used])
    return (rows + columns) / 2


def rate(step, settings):
    """Return the learning rate of a step: linear rise, then a cosine down to nothing."""
    rise = min(1.0, (step + 1) / settings.warmup_steps)
    return settings.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


def written(sense, known, seed, count=4000):
    """Return captions of drawn things, from which the tokeniser is made."""
    rng, names = rng_of("teacher captions", seed), list(known["classes"])
    places = list(known["places"])
    return [
        captions.caption(rng.choice(names, 2, replace=False), str(rng.choice(places)), sense, rng, known).text
        for _ in range(count)
    ]


@torch.no_grad()
def measure(model, tokenizer, material, known, settings):
    """Return {"told_percent", "true_caption_percent"} on held-out examples.

    told: of the examples of one class, those whose score with that class's prompt is the highest; true
    caption: examples of which the caption with the highest score, of all examples' captions, holds.
    """
    model.eval()
    names = list(known["classes"])
    opening = captions.OPENINGS[material.sense][0]
    prompts = [opening.format(known["classes"][name][material.sense][0]) for name in names]
    inputs, said, there = material.batch(settings.valid_examples, rng_of("teacher validation", settings.seed))
    found = torch.cat([_embedded(model, part) for part in _parts(inputs, 64)])
    asked, texts = (_text(model, tokenizer, lines) for lines in (prompts, [one.text for one in said]))
    model.train()
    classes = [sorted(what & set(names)) for what in there]
    single = [number for number, what in enumerate(classes) if len(what) == 1]
    right = (found[single] @ asked.T).argmax(1) == torch.tensor([names.index(classes[n][0]) for n in single])
    best = (found @ texts.T).argmax(1)
    true = torch.tensor(captions.holds(said, there))[torch.arange(len(best)), best]
    return {"told_percent": _percent(right), "true_caption_percent": _percent(true)}


def _percent(hits):
    return round(100 * hits.float().mean().item(), 2)


def _parts(inputs, size):
    """Yield dicts of so many examples each of a dict of tensors."""
    count = len(next(iter(inputs.values())))
    for start in range(0, count, size):
        yield {key: value[start : start + size] for key, value in inputs.items()}


def _embedded(model, inputs):
    """Return unit vectors of pictures or sounds."""
    features = model.get_audio_features if "input_features" in inputs else model.get_image_features
    return F.normalize(embedding(features(**inputs)), dim=-1)


def _text(model, tokenizer, lines):
    return F.normalize(embedding(model.get_text_features(**sizes.tokens(tokenizer, lines))), dim=-1)


if __name__ == "__main__":
    run(main)
