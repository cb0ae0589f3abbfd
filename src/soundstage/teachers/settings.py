"""Settings of the stage `teachers`."""

from dataclasses import dataclass

from soundstage.errors import UserError

PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Settings:
    """How the teachers look, listen and judge."""

    precision: str = "float32"  # of the teachers' weights: float32, bfloat16 or float16
    batch_segments: int = 64  # pictures or sounds at once: memory, not results, depends on it
    silence_db: float = -80.0  # a video whose loudest sample is below this (dB re 1) is silent
    soft_temperature: float = 1.0  # soft label = sigmoid((score - threshold) / this)

    def __post_init__(self):
        """Reject values that cannot work, naming the key."""
        if self.precision not in PRECISIONS:
            what = f"expected one of {', '.join(PRECISIONS)}, found {self.precision!r}"
            raise UserError(what, "teachers.precision")
        if self.batch_segments < 1:
            raise UserError("expected 1 or more", "teachers.batch_segments")
        if self.soft_temperature <= 0:
            raise UserError("expected more than 0", "teachers.soft_temperature")
