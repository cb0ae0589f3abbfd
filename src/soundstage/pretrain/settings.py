"""Settings of stage 6, `pretrain`: how the towers are trained."""

from dataclasses import dataclass, field

from soundstage.errors import UserError
from soundstage.model.settings import Model

VIEWS = ("original", "speech_removed", "dubs")


@dataclass(frozen=True)
class Run:
    """One entry of `pretrain.runs`: what sets an arm of the comparison apart from the others."""

    views: str = "original"  # both audio views of a clip: original, speech_removed, or dubs
    lambda_video: float = 0.0  # weight of the loss between the two video views
    lambda_audio: float = 0.0  # weight of the loss between the two audio views
    train: bool = True  # false: the initial weights are written as they are

    def __post_init__(self):
        if self.views not in VIEWS:
            what = f"expected one of {', '.join(VIEWS)}, found {self.views!r}"
            raise UserError(what, "pretrain.runs.views")
        if self.lambda_video < 0 or self.lambda_audio < 0:
            raise UserError("expected weights of 0 or more", "pretrain.runs.lambda_*")


@dataclass(frozen=True)
class Settings:
    """Section `pretrain` of the configuration with one run and the section `model`."""

    steps: int = 130  # optimiser steps of a run
    batch_clips: int = 80  # clips in a batch; fewer where the corpus is small
    film_clips: int = 20  # most clips of one film in a batch
    film_group: int = 8  # a batch is filled from this many films, as far as they suffice
    minimum_dub_clips: int = 100  # below so many training clips with a dub, all runs use originals
    balance_languages: bool = True  # draw rare languages more often, so that all are heard alike
    learning_rate: float = 4e-3  # AdamW, at the end of the warm-up
    weight_decay: float = 0.05  # AdamW, for weights of two or more dimensions only
    warmup_steps: int = 16  # steps of linear warm-up before the cosine
    clip_norm: float = 1.0  # longest gradient, over all parameters
    hidden_dim: int = 256  # width of the projection's hidden layer
    projection_dim: int = 128  # length of the vectors that the objective compares
    temperature: float = 0.07  # initial temperature of the objective; learned
    temperature_minimum: float = 0.01  # lowest temperature
    gain_db: float = 6.0  # audio view: level changed by up to this, either way
    equaliser_db: float = 4.0  # audio view: standard deviation of a smooth equaliser curve
    mask_mels: int = 8  # audio view: one run of up to so many mel bands is blanked
    mask_frames: int = 12  # audio view: one run of up to so many mel frames is blanked
    brightness: float = 0.15  # video view: added to pixels in [0, 1], up to this, either way
    contrast: float = 0.3  # video view: relative change of contrast, up to this, either way
    greyscale_share: float = 0.2  # share of video views without colour
    recolour_share: float = 0.2  # share of video views whose colour channels are shuffled
    flip_share: float = 0.5  # share of video views mirrored
    calibration_batches: int = 4  # batches that set the initial weights' running statistics
    log_steps: int = 10  # a line in metrics.jsonl every so many steps
    checkpoint_steps: int = 50  # a checkpoint every so many steps
    collapse_variance: float = 1e-3  # stop when the variance of unit embeddings is below this
    model: Model = field(default_factory=Model)
    run: Run = field(default_factory=Run)

    def __post_init__(self):
        for name in (
            "steps",
            "batch_clips",
            "film_clips",
            "film_group",
            "log_steps",
            "checkpoint_steps",
        ):
            if getattr(self, name) < 1:
                what = f"expected 1 or more, found {getattr(self, name)}"
                raise UserError(what, f"pretrain.{name}")
        if self.batch_clips < 2:
            raise UserError("expected 2 or more, to tell apart", "pretrain.batch_clips")
        if not 0 < self.temperature_minimum <= self.temperature:
            found = f"{self.temperature_minimum} and {self.temperature}"
            raise UserError(
                f"expected 0 < minimum <= initial, found {found}",
                "pretrain.temperature_minimum, pretrain.temperature",
            )
