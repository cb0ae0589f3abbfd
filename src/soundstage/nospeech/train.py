"""Train the studio's separator: a small HTDemucs for two stems, speech and rest.

    python -m soundstage.nospeech.train --out work/separator [--settings JSON_OR_FILE]
        [--start-from OTHER/checkpoint.pt]

Learns from scenes made for that alone (voices and lines of the pool `separator`), logs to
OUT/metrics.jsonl how many dB of SI-SDR it gains on scenes with other voices, keeps OUT/checkpoint.pt
every few minutes and continues from it, and ends with the package OUT/separator/studio-*.th.
"""

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from demucs.htdemucs import HTDemucs

from soundstage.cli import add_settings, parser, run, say
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.nospeech import material
from soundstage.nospeech.sdr import si_sdr_db
from soundstage.settings import dumps
from soundstage.units import rng_of, seed_of

STEMS = ("speech", "rest")
FLOOR = 3e-3  # error power relative to the mixture below which nothing more is gained: -25 dB
REST_WEIGHT = 0.5
VALID_SCENES, VALID_POOL = 6, "corpus_train"


@dataclass(frozen=True)
class Training:
    """How the studio's separator is trained; every field with its unit."""

    seed: int = 0  # names the scenes, the first weights and every example
    steps: int = 12000  # optimiser steps
    batch: int = 2  # examples per step
    excerpt_seconds: float = 2.0  # length of an example
    scenes: int = 160  # scenes of 30 s rendered at the start
    learning_rate: float = 4e-3  # highest, after the warm-up; falls with a cosine
    warmup_steps: int = 100  # steps of linear rise
    average: float = 0.999  # decay per step of the averaged weights, which are the ones shipped
    sample_rate_hz: int = 24000  # of the model; a voice of the studio hardly reaches above 12 kHz
    segment_seconds: float = 5.0  # piece on which the model works when it is used
    channels: int = 16  # of the first layer of the spectral branch
    channels_time: int = 8  # of the first layer of the waveform branch
    dilated: bool = True  # dilated convolutions over time in the encoder: context of 0.2 s
    checkpoint_seconds: float = 60.0  # time between two checkpoints
    valid_steps: int = 1500  # steps between two validations


def main():
    """Train, or continue, in the folder that the command line names, and write the package."""
    from soundstage.nospeech.package import write

    arguments = parser(__doc__)
    arguments.add_argument("--out", required=True, help="folder for checkpoint, log and package")
    arguments.add_argument("--start-from", help="checkpoint of another run, whose averaged weights are the first ones")
    add_settings(arguments, Training)
    values = arguments.parse_args()
    torch.set_num_threads(1)
    checkpoint = train(Path(values.out), values.settings, values.start_from)
    model = averaged_model(checkpoint)
    path, digest = write(model, Path(values.out) / "separator", checkpoint["step"])
    print(f"{digest}  {path}")


def small_model(settings):
    """Return an untrained HTDemucs with the stems speech and rest for mono at its own rate.

    The spectral branch sees and estimates magnitudes, and the phase is the mixture's: with few
    steps that is learned far sooner than complex spectra. The encoder's convolutions are 3 x 3. No
    rescaling of the first weights: it keeps so small a model at silence for hundreds of steps.
    """
    return HTDemucs(
        sources=list(STEMS),
        audio_channels=1,
        samplerate=settings.sample_rate_hz,
        segment=settings.segment_seconds,
        channels=settings.channels,
        channels_time=settings.channels_time,
        nfft=1024,
        depth=4,
        cac=False,
        wiener_iters=-1,
        end_iters=-1,
        t_layers=0,
        dconv_mode=int(settings.dilated),
        dconv_init=1e-2,
        context_enc=1,
        norm_starts=1,
        norm_groups=2,
        rescale=0,
    )


def train(folder, settings, start_from=None):
    """Train to the last step, continuing a checkpoint in `folder`; return the last checkpoint.

    start_from: checkpoint of another run (path) whose averaged weights are taken over by name; what
    the model has beyond them starts at random, and its residual branches close to nothing.

    Every example depends on the seed and the step alone, so a run that was stopped and continued
    ends with the weights of one that was not. UserError when the checkpoint has other settings.
    """
    torch.manual_seed(seed_of("separator weights", settings.seed))
    model = small_model(settings).train()
    if start_from is not None:
        model.load_state_dict(read_checkpoint(start_from)["average"], strict=False)
    average = {key: value.clone() for key, value in model.state_dict().items()}
    optimiser = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=1e-4)
    first = _restore(folder / "checkpoint.pt", settings, model, average, optimiser)
    speech, bed = material.scenes(settings.scenes, settings.sample_rate_hz, settings.seed, "separator")
    valid = material.scenes(VALID_SCENES, settings.sample_rate_hz, settings.seed, VALID_POOL)
    start = saved = time.monotonic()
    for step in range(first, settings.steps):
        examples = material.batch(
            speech,
            bed,
            settings.batch,
            round(settings.excerpt_seconds * settings.sample_rate_hz),
            settings.sample_rate_hz,
            rng_of("separator step", settings.seed, step),
        )
        loss = _step(model, optimiser, examples, _rate(step, settings))
        _follow(average, model, min(settings.average, (step + 1) / (step + 10)))
        done = step + 1
        if done % settings.valid_steps == 0 or done == settings.steps:
            _report(folder, settings, average, valid, done, loss, time.monotonic() - start)
        if time.monotonic() - saved > settings.checkpoint_seconds or done == settings.steps:
            saved = time.monotonic()
            _save(folder / "checkpoint.pt", settings, model, average, optimiser, done)
    return read_checkpoint(folder / "checkpoint.pt")


def loss_of(estimates, speech, bed):
    """Return the mean over examples of log10 error power of speech and, half as much, of the rest.

    estimates (batch, 2, 1, samples), speech and bed (batch, samples), of mixtures with RMS 1. The
    error of speech is also the error of mixture minus speech, so this is the ratio that counts.
    """
    errors = [(estimates[:, number, 0] - target).pow(2).mean(-1) for number, target in enumerate((speech, bed))]
    first, second = (torch.log10(error + FLOOR).mean() for error in errors)
    return first + REST_WEIGHT * second


def _step(model, optimiser, examples, rate):
    """Take one optimiser step; return the loss as a float."""
    mixture, speech, bed = map(torch.from_numpy, examples)
    for group in optimiser.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16):
        estimates = model(mixture[:, None])
    loss = loss_of(estimates.float(), speech, bed)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    return loss.item()


def _rate(step, settings):
    """Return the learning rate of a step: linear rise, then a cosine down to 1 % of the highest."""
    rise = min(1.0, (step + 1) / settings.warmup_steps)
    fall = 0.505 + 0.495 * np.cos(np.pi * step / settings.steps)
    return float(settings.learning_rate * rise * fall)


@torch.no_grad()
def _follow(average, model, decay):
    for key, value in model.state_dict().items():
        average[key].lerp_(value, 1 - decay)


def _report(folder, settings, average, valid, step, loss, seconds):
    """Measure the averaged weights on scenes with other voices; log one line."""
    model = small_model(settings)
    model.load_state_dict(average)
    gains, changes = validate(model.eval(), *valid)
    line = {
        "step": step,
        "loss": round(loss, 4),
        "si_sdr_gain_db": round(float(np.mean(gains)), 3),
        "si_sdr_gain_lowest_db": round(float(np.min(gains)), 3),
        "speech_free_change_db": round(float(np.mean(changes)), 3),
        "seconds": round(seconds, 1),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "metrics.jsonl", "a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    say(json.dumps(line))


@torch.no_grad()
def validate(model, speech, bed):
    """Return per scene (dB of SI-SDR gained by subtraction, dB of change where nobody speaks).

    speech and bed (scenes, samples) float16. The change is the speech found in the bed alone,
    relative to the bed.
    """
    gains, changes = [], []
    for talk, rest in zip(speech.astype(np.float32), bed.astype(np.float32), strict=True):
        mixture = talk + rest
        found = mixture - _speech(model, mixture)
        gains.append(si_sdr_db(found, rest) - si_sdr_db(mixture, rest))
        error = _speech(model, rest)
        changes.append(10 * np.log10(np.sum(error**2) / np.sum(rest**2)))
    return gains, changes


def _speech(model, mixture):
    """Return the model's speech in `mixture` (samples,), segment after segment without overlap."""
    size = int(model.segment * model.samplerate)
    result = np.zeros_like(mixture)
    for start in range(0, len(mixture), size):
        piece = mixture[start : start + size]
        scale = piece.std() + 1e-6
        found = model(torch.from_numpy(piece / scale)[None, None])[0, 0, 0]
        result[start : start + size] = found.numpy() * scale
    return result


def averaged_model(checkpoint):
    """Return the HTDemucs with the averaged weights of a checkpoint, ready to be used."""
    model = small_model(Training(**json.loads(checkpoint["settings"])))
    model.load_state_dict(checkpoint["average"])
    return model.eval()


def read_checkpoint(path):
    """Return a checkpoint's dict; UserError when it is missing or not one of this program."""
    try:
        return torch.load(path, weights_only=True)
    except FileNotFoundError:
        raise UserError("expected a checkpoint, found nothing", path) from None
    except Exception as error:
        raise UserError(f"cannot read the checkpoint ({error})", path) from None


def _restore(path, settings, model, average, optimiser):
    """Fill model, average and optimiser from a checkpoint; return the step to go on with."""
    if not path.exists():
        return 0
    checkpoint = read_checkpoint(path)
    if checkpoint["settings"] != _fingerprint(settings):
        raise UserError("the checkpoint was made with other settings", path, "remove it")
    model.load_state_dict(checkpoint["model"])
    optimiser.load_state_dict(checkpoint["optimiser"])
    for key, value in checkpoint["average"].items():
        average[key].copy_(value)
    return checkpoint["step"]


def _save(path, settings, model, average, optimiser, step):
    content = {
        "settings": _fingerprint(settings),
        "step": step,
        "model": model.state_dict(),
        "average": average,
        "optimiser": optimiser.state_dict(),
    }
    with atomic(path) as temporary:
        torch.save(content, temporary)


def _fingerprint(settings):
    """Return the settings that shape the weights, as canonical JSON."""
    shaping = dataclasses.asdict(settings)
    for name in ("checkpoint_seconds", "valid_steps"):
        del shaping[name]
    return dumps(shaping)


if __name__ == "__main__":
    run(main)
