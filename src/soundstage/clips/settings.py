"""Settings of stage 3, `clips`."""

from dataclasses import dataclass

from soundstage.errors import UserError


@dataclass(frozen=True)
class Settings:
    """Section `clips` of the configuration; every field with its unit."""

    window_seconds: float = 3.0  # length of a clip, seconds
    hop_seconds: float = 1.5  # step from one window of a shot to the next, seconds
    detector: str = "content"  # PySceneDetect's detector of cuts: "content" or "adaptive"
    cut_threshold: float = 27.0  # the detector's threshold (its own scale; adaptive: about 3)
    min_shot_seconds: float = 0.6  # shots shorter than this are joined to their neighbour, seconds
    edge_margin_seconds: float = 0.5  # kept clear of places where a dub was cut or added to, seconds
    require_dub: bool = False  # drop windows that no accepted dub covers
    keep_unheard: bool = True  # keep a dub over stretches of a segment that share nothing, such as dialogue alone
    black_level: float = 10.0  # mean brightness of a black picture, 0 to 255
    static_change: float = 0.02  # mean change from frame to frame of a still picture, 0 to 255
    silence_db: float = -70.0  # level of a silent window, dB full scale

    def __post_init__(self):
        if self.detector not in ("content", "adaptive"):
            raise UserError(f"expected content or adaptive, found {self.detector!r}", "clips.detector")
        if self.window_seconds < 0.2 or self.hop_seconds < 0.04:
            raise UserError(
                "expected a window of at least 0.2 s and a hop of at least one frame (0.04 s)",
                "clips.window_seconds, clips.hop_seconds",
            )
        if self.edge_margin_seconds < 0 or self.min_shot_seconds < 0:
            raise UserError(
                "expected no negative time", "clips.edge_margin_seconds, clips.min_shot_seconds"
            )
