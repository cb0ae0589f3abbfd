"""Settings of stage 6, `pretrain`: how the towers are trained."""

from dataclasses import dataclass, field

from soundstage.errors import UserError
from soundstage.model.settings import Model

VIEWS = ("original", "speech_removed", "dubs", "remix")
PAIRINGS = ("two_languages", "original_and_dub", "same_language")


@dataclass(frozen=True)
class Run:
    """One entry of `pretrain.runs`: what sets an arm of the comparison apart from the others."""

    # the two audio views of a clip: original, speech_removed or dubs; remix = the original, and the
    # original in another mix and codec
    views: str = "original"
    most_dubs: int = 0  # dubs of a clip that are heard, the first of its film's in random order; 0 = all
    # which tracks meet, with views dubs: two_languages = any two, original_and_dub = the original and
    # any other, same_language = one of any language for both views
    pairing: str = "two_languages"
    lambda_video: float = 0.0  # weight of the loss between the two video views
    lambda_audio: float = 0.0  # weight of the loss between the two audio views
    train: bool = True  # false: the initial weights are written as they are
    start_from: str = ""  # run of the same seed whose trained towers this one begins with; "" = none

    def __post_init__(self):
        if self.views not in VIEWS:
            what = f"expected one of {', '.join(VIEWS)}, found {self.views!r}"
            raise UserError(what, "pretrain.runs.views")
        if self.pairing not in PAIRINGS:
            what = f"expected one of {', '.join(PAIRINGS)}, found {self.pairing!r}"
            raise UserError(what, "pretrain.runs.pairing")
        if self.most_dubs < 0:
            raise UserError(f"expected 0 or more, found {self.most_dubs}", "pretrain.runs.most_dubs")
        if self.views != "dubs" and (self.most_dubs or self.pairing != "two_languages"):
            what = f"most_dubs and pairing say which dubs are heard, found them with views {self.views}"
            raise UserError(what, "pretrain.runs", "set views: dubs, or leave both out")
        if self.lambda_video < 0 or self.lambda_audio < 0:
            raise UserError("expected weights of 0 or more", "pretrain.runs.lambda_*")


@dataclass(frozen=True)
class Engine:
    """How a step is computed. The step itself does not depend on it, but for rounding."""

    device: str = "cpu"  # "cpu", "cuda", or "auto" = cuda where there is one; bfloat16 on cuda
    threads: int = 1  # of a CPU; the last bits of the weights depend on it
    compile: bool = False  # compile the towers; worth its minutes from hundreds of steps on
    piece_clips: int = 0  # clips embedded at a time, for batches larger than memory; 0 = all at once
    loss_strip_clips: int = 0  # clips compared with all others at a time; 0 = all, in one process
    accumulate_batches: int = 1  # batches whose gradients make one step; negatives stay in a batch

    def __post_init__(self):
        if self.device not in ("cpu", "cuda", "auto"):
            raise UserError(f"expected cpu, cuda or auto, found {self.device!r}", "pretrain.engine.device")
        if self.threads < 1 or self.accumulate_batches < 1:
            raise UserError("expected 1 or more", "pretrain.engine.threads, pretrain.engine.accumulate_batches")
        if self.piece_clips < 0 or self.loss_strip_clips < 0:
            raise UserError("expected 0 or more", "pretrain.engine.piece_clips, pretrain.engine.loss_strip_clips")


@dataclass(frozen=True)
class Loader:
    """How the shards are read, where a training reads them itself."""

    stream: bool = False  # train from the shards themselves; false: from inputs prepared once
    workers: int = 0  # decoding processes for each training process; 0 = it decodes by itself
    open_shards: int = 8  # shards that a reader draws clips from at a time
    broken_percent: float = 1.0  # clips that may be broken; when there are surely more, the training stops
    short_side_min: int = 0  # pixels; 0 = the whole picture at model.inputs.resize_*, as prepared inputs
    short_side_max: int = 0  # pixels; the shorter side is drawn from short_side_min to this
    held_out_clips: int = 256  # most clips of the validation and test shards for the retrieval

    def __post_init__(self):
        if self.short_side_min > self.short_side_max:
            found = f"{self.short_side_min} and {self.short_side_max}"
            raise UserError(f"expected minimum <= maximum, found {found}", "pretrain.loader.short_side_*")
        if self.short_side_min < 0 or self.held_out_clips < 0:
            raise UserError("expected 0 or more", "pretrain.loader.short_side_min, pretrain.loader.held_out_clips")
        if self.workers < 0 or self.open_shards < 1:
            raise UserError("expected 0 workers or more, 1 open shard or more", "pretrain.loader")
        if not 0 <= self.broken_percent <= 100:
            raise UserError(f"expected 0 to 100, found {self.broken_percent}", "pretrain.loader.broken_percent")


@dataclass(frozen=True)
class Settings:
    """Section `pretrain` of the configuration with one run and the section `model`."""

    steps: int = 200  # optimiser steps of a run
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
    validation_steps: int = 0  # retrieval on validation films every so many steps; 0 = only at the end
    collapse_variance: float = 1e-3  # stop when the variance of unit embeddings is below this
    engine: Engine = field(default_factory=Engine)
    loader: Loader = field(default_factory=Loader)
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
        if self.validation_steps < 0:
            raise UserError(f"expected 0 or more, found {self.validation_steps}", "pretrain.validation_steps")
        if self.batch_clips < 2:
            raise UserError("expected 2 or more, to tell apart", "pretrain.batch_clips")
        if not 0 < self.temperature_minimum <= self.temperature:
            found = f"{self.temperature_minimum} and {self.temperature}"
            raise UserError(
                f"expected 0 < minimum <= initial, found {found}",
                "pretrain.temperature_minimum, pretrain.temperature",
            )
        inputs = self.model.inputs
        if 0 < self.loader.short_side_min < max(inputs.crop_height, inputs.crop_width):
            raise UserError(
                f"expected 0, or no less than the crop has ({inputs.crop_height} x {inputs.crop_width}), "
                f"found {self.loader.short_side_min}",
                "pretrain.loader.short_side_min",
                "raise it and short_side_max, or lower model.inputs.crop_height and crop_width",
            )
