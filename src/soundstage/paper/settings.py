"""Settings of the stage `paper`."""

from dataclasses import dataclass

from soundstage.errors import UserError


@dataclass(frozen=True)
class Settings:
    """How tables are computed from scores."""

    corpus: str = "studio"  # the column `corpus` of every row: what the runs were trained on
    confidence_percent: float = 95.0  # of every interval
    bootstrap_samples: int = 1000  # resamples of the test clips
    bootstrap_seed: int = 0  # of the resamples
    timeline_videos: int = 3  # test videos of event parsing that are drawn second by second

    def __post_init__(self):
        """Reject values that cannot work, naming the key."""
        if not 0 < self.confidence_percent < 100:
            raise UserError("expected a share between 0 and 100", "paper.confidence_percent")
        if self.bootstrap_samples < 1:
            raise UserError("expected at least 1", "paper.bootstrap_samples")
