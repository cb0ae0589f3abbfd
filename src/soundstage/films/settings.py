"""Settings of stage 1, `films`."""

from dataclasses import dataclass

from soundstage.errors import UserError


@dataclass(frozen=True)
class Settings:
    """Section `films` of the configuration; every field with its unit."""

    on_bad_file: str = "stop"  # "stop" at a bad file or track, or "drop" it, count it and go on
    missing_tolerance_seconds: float = 1.0  # a stream may end this much before its declared end
    max_decode_errors: int = 20  # complaints of the decoder that a track may cause
    max_frame_gap_seconds: float = 2.0  # longest time between two pictures; longer is unmappable
    min_frames_per_second: float = 5.0  # slowest mean frame rate taken for a film
    max_frames_per_second: float = 240.0  # fastest mean frame rate believed

    def __post_init__(self):
        if self.on_bad_file not in ("stop", "drop"):
            raise UserError(f"expected stop or drop, found {self.on_bad_file!r}", "films.on_bad_file")
        if not 0 < self.min_frames_per_second < self.max_frames_per_second:
            raise UserError(
                "expected 0 < min < max", "films.min_frames_per_second, films.max_frames_per_second"
            )
        if min(self.missing_tolerance_seconds, self.max_frame_gap_seconds) <= 0:
            raise UserError(
                "expected a positive time",
                "films.missing_tolerance_seconds, films.max_frame_gap_seconds",
            )
