"""Settings of the stage `parse`."""

from dataclasses import dataclass, field

from soundstage.errors import UserError

DATA = ("llp", "ave")
OBJECTIVES = ("han", "weak", "harvested")
OPTIMISERS = ("adam", "adamw")
SCHEDULES = ("steps", "cosine")
STREAMS = ("audio", "visual", "both")


@dataclass(frozen=True)
class Variant:
    """One parser: its network, what it reads, what it learns from, and how."""

    data: str = "llp"  # which annotations it learns: llp, or ave = those of parse.ave
    network: str = "valor"  # han, valor, valor_plus or valor_plus_plus
    features: str = "standard"  # which entry of parse.features it reads
    labels: str = ""  # which entry of teachers.labels it learns from; "" = the weak label alone
    streams: str = "both"  # which streams learn from them: audio, visual or both
    video_level: bool = False  # whether a label holds for the whole video once it holds in a second
    objective: str = "harvested"  # loss: han, weak (no smoothing) or harvested
    width: int = 512  # inner width
    layers: int = 1  # layers; 1 for han
    heads: int = 8  # heads of each attention
    feed_forward: int = 1024  # width inside a layer
    optimiser: str = "adamw"  # adam or adamw
    schedule: str = "cosine"  # cosine = warm-up and half a cosine; steps = a tenth every ten epochs
    learning_rate: float = 1e-4  # highest
    learning_rate_minimum: float = 1e-6  # at the end of the cosine
    warmup_epochs: int = 10  # epochs before the cosine
    weight_decay: float = 1e-3  # adamw
    beta_first: float = 0.5  # decay of the optimiser's first moment
    clip_norm: float = 1.0  # longest gradient, over all parameters; 0 = no limit
    batch_videos: int = 64  # videos of a step
    epochs: int = 60  # passes over the training videos
    keep_later: bool = False  # of two epochs of equal validation score, keep the later

    def __post_init__(self):
        """Reject values that cannot work, naming the key."""
        for name, allowed in (
            ("data", DATA),
            ("objective", OBJECTIVES),
            ("optimiser", OPTIMISERS),
            ("schedule", SCHEDULES),
            ("streams", STREAMS),
        ):
            if getattr(self, name) not in allowed:
                what = f"expected one of {', '.join(allowed)}, found {getattr(self, name)!r}"
                raise UserError(what, f"parse.variants.{name}")
        if self.objective == "harvested" and not self.labels:
            raise UserError("expected harvested labels for the objective harvested", "parse.variants.labels")
        for name in ("width", "layers", "heads", "feed_forward", "batch_videos", "epochs"):
            if getattr(self, name) < 1:
                raise UserError(f"expected 1 or more, found {getattr(self, name)}", f"parse.variants.{name}")
        if self.width % self.heads:
            raise UserError("expected a multiple of heads", "parse.variants.width")


@dataclass(frozen=True)
class Settings:
    """How parsers are scored and how their trainings are kept."""

    rule: str = "shared"  # the decision of the tables: shared (published) or per_modality
    checkpoint_epochs: int = 5  # a checkpoint every so many epochs
    variant: Variant = field(default_factory=lambda: Variant(objective="weak"))
