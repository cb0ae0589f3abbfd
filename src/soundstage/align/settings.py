"""Settings of stage 2, `align`."""

from dataclasses import dataclass

from soundstage.errors import UserError

RANGES = {  # least and most of each field, in its unit
    "max_offset_seconds": (0.01, 7200),
    "short_seconds": (3, 120),  # a shot costs memory for all its windows at once
    "short_max_offset_seconds": (0.01, 5),  # more than shots of a title lie round their common offset
    "chunk_seconds": (0.5, 600),
    "chunk_hop_seconds": (0.1, 600),
    "jump_penalty": (0, 1000),
    "window_seconds": (0.05, 60),
    "window_hop_seconds": (0.01, 60),
    "margin_seconds": (0.002, 1),  # more than a window's peak may lie off its line
    "band_low_hz": (20, 7000),
    "band_high_hz": (20, 7000),
    "accept_confidence": (0, 1),
    "min_shared_share": (0, 1),
    "extend_seconds": (0, 600),
    "bridge_seconds": (0, 7200),
}


@dataclass(frozen=True)
class Settings:
    """Section `align` of the configuration; every field with its unit."""

    max_offset_seconds: float = 600.0  # largest offset allowed, either sign, seconds; edits may add to it
    short_seconds: float = 20.0  # below this length a file is a shot: rate 1, small lags only
    short_max_offset_seconds: float = 0.5  # largest offset searched for a shot, seconds
    chunk_seconds: float = 20.0  # length of a coarse correlation window, seconds
    chunk_hop_seconds: float = 5.0  # step of the coarse windows, seconds
    jump_penalty: float = 5.0  # evidence (z) that a jump of the lag must bring
    window_seconds: float = 1.0  # length of a fine correlation window, seconds
    window_hop_seconds: float = 0.5  # step of the fine windows, seconds
    margin_seconds: float = 0.0625  # lags searched round the coarse lag, either sign, seconds
    band_low_hz: float = 150.0  # lowest frequency that is compared, Hz
    band_high_hz: float = 6000.0  # highest frequency that is compared, Hz, at most 7000
    accept_confidence: float = 0.9  # least confidence of an accepted segment or track, 0 to 1
    min_shared_share: float = 0.5  # least share of the shorter file inside accepted segments
    extend_seconds: float = 3.0  # a segment reaches an end of a file that is so near to its last shared sound, seconds
    bridge_seconds: float = 60.0  # longest stretch without a sign of shared sound that a segment crosses, seconds

    def __post_init__(self):
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:  # NaN too
                raise UserError(f"expected {least:g} to {most:g}, found {value}", f"align.{name}")
        if self.band_low_hz >= self.band_high_hz:
            raise UserError(
                f"expected low < high, found {self.band_low_hz}, {self.band_high_hz}",
                "align.band_low_hz, align.band_high_hz",
            )
