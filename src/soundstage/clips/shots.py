"""Shots of a film, and how bright and how moving its picture is, in one decoding pass."""

from dataclasses import dataclass

import numpy as np

from soundstage.media import picture_stream, probe, read_frames
from soundstage.units import VIDEO_FPS, seconds_to_frames

SHORT_SIDE_PIXELS = 90


@dataclass(frozen=True)
class Picture:
    """What the windows need to know of the picture, on the 25 fps grid.

    shots: list of (first frame, last frame + 1); brightness: (frames,) mean, 0 to 255; change:
    (frames,) mean absolute difference to the frame before, 0 for the first.
    """

    shots: list
    brightness: np.ndarray
    change: np.ndarray


def look(path, settings):
    """Return the Picture of a film; UserError when it cannot be decoded."""
    detector = detector_of(settings)
    cuts, brightness, change, before = [], [], [], None
    for number, frame in enumerate(read_frames(path, small_size(path))):
        bright = frame.mean(axis=2, dtype=np.float32)
        brightness.append(float(bright.mean()))
        change.append(0.0 if before is None else float(np.abs(bright - before).mean()))
        before = bright
        cuts += detector.process_frame(_timecode(number), np.ascontiguousarray(frame[:, :, ::-1]))
    if brightness:
        cuts += detector.post_process(_timecode(len(brightness) - 1))
    return Picture(
        shots_of([cut.frame_num for cut in cuts], len(brightness)),
        np.array(brightness),
        np.array(change),
    )


def detector_of(settings):
    """Return PySceneDetect's detector of cuts that the settings name."""
    from scenedetect.detectors import AdaptiveDetector, ContentDetector

    least = max(1, seconds_to_frames(settings.min_shot_seconds))
    if settings.detector == "adaptive":
        return AdaptiveDetector(adaptive_threshold=settings.cut_threshold, min_scene_len=least)
    return ContentDetector(threshold=settings.cut_threshold, min_scene_len=least)


def _timecode(number):
    from scenedetect import FrameTimecode

    return FrameTimecode(number, float(VIDEO_FPS))


def small_size(path):
    """Return the (width, height) at which cuts are looked for: the short side at most 90 pixels."""
    stream = picture_stream(probe(path))
    width, height = int(stream["width"]), int(stream["height"])
    scale = min(1.0, SHORT_SIDE_PIXELS / min(width, height))
    return max(2, round(width * scale)), max(2, round(height * scale))


def shots_of(cuts, frames):
    """Return the list of (first frame, last frame + 1) between cuts; a cut starts a shot."""
    starts = [0, *sorted({cut for cut in cuts if 0 < cut < frames})]
    return [pair for pair in zip(starts, [*starts[1:], frames], strict=True) if pair[1] > pair[0]]
