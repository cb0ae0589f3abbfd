"""Settings of the stage `evaluate`."""

from dataclasses import dataclass, field

from soundstage.errors import UserError
from soundstage.evaluate.protocols import PROTOCOLS

CROPS = ("centre", "five")


@dataclass(frozen=True)
class Settings:
    """How benchmarks are decoded, embedded and probed; windows are cut as `model.inputs` says."""

    probe: str = "linear"  # which probe reads the embeddings; see soundstage.evaluate.protocols
    strengths: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0)  # C tried by linear: larger = freer; svm has its own
    probe_iterations: int = 200  # most steps of the optimiser per fit
    refit: bool = True  # fit again on training + validation clips once the strength is chosen (not by hear)
    validation_percent: float = 20.0  # of the training groups, where a benchmark has no own split
    silence_db: float = -80.0  # a clip whose loudest sample is below this (dB re 1) is silent
    batch_windows: int = 64  # windows embedded at once: memory, not results, depends on it
    crops: str = "centre"  # of a picture: "centre", or "five" = the corners, too, embeddings averaged
    short_side_pixels: int = 0  # a picture's shorter side before crops; 0 = whole, at model.inputs.resize_*
    keep_megabytes: float = 8000.0  # of decoded windows of a benchmark; what is larger each run decodes anew
    probes: dict[str, tuple[str, ...]] = field(default_factory=dict)  # benchmark -> its own; tables show the first's

    def __post_init__(self):
        """Reject values that cannot work, naming the key."""
        for probe in (self.probe, *(probe for own in self.probes.values() for probe in own)):
            if probe not in PROTOCOLS:
                raise UserError(f"expected one of {', '.join(PROTOCOLS)}, found {probe!r}", "evaluate.probe")
        if not self.strengths or min(self.strengths) <= 0:
            raise UserError("expected one or more positive numbers", "evaluate.strengths")
        if not 0 < self.validation_percent < 100:
            raise UserError("expected a share between 0 and 100", "evaluate.validation_percent")
        if self.crops not in CROPS:
            raise UserError(f"expected one of {', '.join(CROPS)}, found {self.crops!r}", "evaluate.crops")
        if self.probe_iterations < 1 or self.batch_windows < 1:
            raise UserError("expected at least 1", "evaluate.probe_iterations, batch_windows")
