"""Read a video as the teachers take it: ten pictures, ten sounds, and what is odd about it."""

import dataclasses
from pathlib import Path

import numpy as np

from soundstage import media
from soundstage.errors import UserError
from soundstage.parse.pack import ID_LETTERS
from soundstage.teachers.segments import PICTURES_PER_SECOND, audio_segments, chosen_frames, odd_length

ENDINGS = (".mp4", ".mkv", ".webm", ".avi", ".mov")
MODALITY_OF = {"visual": "picture", "audio": "sound"}


@dataclasses.dataclass(frozen=True)
class Video:
    """What a teacher gets of a video.

    segments: {"visual": ten (height, width, 3) uint8, "audio": ten (samples,) float32}, without a
    modality that the video does not have; seconds: {modality: (10,) float, when each was taken};
    flags: words about what is odd; reason: why there is nothing at all, or "".
    """

    filename: str
    segments: dict
    seconds: dict
    flags: tuple = ()
    reason: str = ""


def find(folder, filename):
    """Return the media file of a video, by its whole name or by its id; None when there is none."""
    for stem in (filename, filename[:ID_LETTERS]):
        for ending in ENDINGS:
            if (path := Path(folder, stem + ending)).is_file():
                return path
    return None


def read(folder, filename, sample_rate_hz, silence_db):
    """Return the `Video` of a file name; a missing or unreadable one has no segments and a reason."""
    path = find(folder, filename)
    if path is None:
        return Video(filename, {}, {}, reason="missing")
    try:
        described = media.probe(path)
        visual, seen = _pictures(path, described)
        audio, heard = _sounds(path, described, sample_rate_hz, silence_db)
    except UserError as error:
        return Video(filename, {}, {}, reason=f"unreadable: {error.what}")
    found = {key: value for key, value in (("visual", visual), ("audio", audio)) if value is not None}
    flags = tuple(filter(None, (seen, heard)))
    reason = "" if found else "; ".join(flags)
    segments = {key: value[0] for key, value in found.items()}
    return Video(filename, segments, {key: value[1] for key, value in found.items()}, flags, reason)


def _pictures(path, described):
    """Return ((ten pictures, seconds), flag) or (None, why not)."""
    stream = media.picture_stream(described)
    if stream is None:
        return None, "no picture"
    size = int(stream["width"]), int(stream["height"])
    frames = list(media.read_frames(path, size, PICTURES_PER_SECOND))
    if not frames:
        return None, "no picture"
    chosen = chosen_frames(len(frames))
    flag = odd_length(len(frames) / PICTURES_PER_SECOND, tolerance=0.13)
    return ([frames[index] for index in chosen], chosen / PICTURES_PER_SECOND), flag and f"picture {flag}"


def _sounds(path, described, sample_rate_hz, silence_db):
    """Return ((ten sounds, seconds), flag) or (None, why not)."""
    if not any(stream.get("codec_type") == "audio" for stream in described["streams"]):
        return None, "no sound"
    samples = media.read_audio(path, sample_rate_hz=sample_rate_hz)
    if len(samples) < 10:
        return None, "no sound"
    if np.abs(samples).max() < 10 ** (silence_db / 20):
        return None, "silent"
    segments, starts = audio_segments(samples)
    flag = odd_length(len(samples) / sample_rate_hz)
    return (segments, starts / sample_rate_hz), flag and f"sound {flag}"
