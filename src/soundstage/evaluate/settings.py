"""Settings of the stage `evaluate`."""

from dataclasses import dataclass

from soundstage.errors import UserError


@dataclass(frozen=True)
class Settings:
    """How benchmarks are decoded, embedded and probed; windows are cut as `model.inputs` says."""

    probe: str = "linear"  # which probe reads the embeddings; see soundstage.evaluate.probe
    strengths: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0, 10.0)  # C tried: larger = freer
    probe_iterations: int = 200  # most steps of the optimiser per fit
    refit: bool = True  # fit again on training + validation clips once the strength is chosen
    validation_percent: float = 20.0  # of the training groups, where a benchmark has no own split
    silence_db: float = -80.0  # a clip whose loudest sample is below this (dB re 1) is silent
    batch_windows: int = 64  # windows embedded at once: memory, not results, depends on it

    def __post_init__(self):
        """Reject values that cannot work, naming the key."""
        if self.probe != "linear":
            raise UserError(f"expected probe linear, found {self.probe!r}", "evaluate.probe")
        if not self.strengths or min(self.strengths) <= 0:
            raise UserError("expected one or more positive numbers", "evaluate.strengths")
        if not 0 < self.validation_percent < 100:
            raise UserError("expected a share between 0 and 100", "evaluate.validation_percent")
        if self.probe_iterations < 1 or self.batch_windows < 1:
            raise UserError("expected at least 1", "evaluate.probe_iterations, batch_windows")
