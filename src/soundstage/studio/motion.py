"""Turns the loudness of a sound into the motion of what makes it: one cue per picture frame."""

from dataclasses import dataclass

import numpy as np

ACTIVE_LEVEL = 0.06  # below this share of its own maximum a sound counts as pausing
_ONSET_RISE = 0.12  # a rise of this share of the maximum within two frames starts a new beat
_MIN_GAP_SECONDS = 0.14  # bounces, claps and barks are never closer than this
_REST_SECONDS = 0.9  # after this long without an onset a beat is over


@dataclass(frozen=True)
class Cue:
    """What the drawing of one frame needs to know of the sound.

    seconds: time since the clip's start. level: loudness, 0..1 of the event's maximum. on: whether
    it sounds. beat: 0 at an onset, 1 just before the next, 1 at rest. gap: seconds between those
    two onsets. run: seconds for which the thing has been running so far, times its own speed;
    wheels and bows follow it.
    """

    seconds: float
    level: float
    on: bool
    beat: float
    gap: float
    run: float


def envelope_of(audio, frames, fps, sample_rate_hz=48000):
    """Return the loudness of each picture frame, float64 (frames,), 0..1 of the sound's own
    maximum.

    audio: float (samples,), sample 0 at the first frame's start; it may be shorter or longer than
    the picture. Silence gives zeros. The root of the mean square is used, with its square root
    taken so that soft parts still move.
    """
    edges = np.round(np.arange(frames + 1) * sample_rate_hz / fps).astype(int)
    padded = np.zeros(edges[-1])
    part = np.asarray(audio[: edges[-1]], np.float64)
    padded[: len(part)] = part
    power = np.add.reduceat(padded**2, edges[:-1]) / np.diff(edges)
    level = power**0.25
    peak = level.max(initial=0.0)
    return level / peak if peak > 1e-4 else np.zeros(frames)


def onsets_of(envelope, fps):
    """Return the frame numbers, int64, at which the envelope (frames,) of 0..1 rises abruptly."""
    before = np.concatenate([[0.0, 0.0], envelope])
    rise = envelope - np.minimum(before[:-2], before[1:-1])
    gap, found = max(1, round(_MIN_GAP_SECONDS * fps)), []
    for frame in np.flatnonzero((rise > _ONSET_RISE) & (envelope > 2 * ACTIVE_LEVEL)):
        if not found or frame - found[-1] >= gap:
            found.append(int(frame))
    return np.array(found, np.int64)


def cues(envelope, fps, speed=1.0):
    """Return one Cue per frame of an envelope (frames,) of 0..1; `speed` scales what runs."""
    on = envelope > ACTIVE_LEVEL
    run = np.cumsum(on) * speed / fps
    beat, gap = _beats(onsets_of(envelope, fps), len(envelope), fps)
    columns = (envelope, on, beat, gap, run)
    return [
        Cue(frame / fps, *(column[frame].item() for column in columns))
        for frame in range(len(envelope))
    ]


def _beats(onsets, frames, fps):
    """Return the beat (0..1) and the gap (seconds) of each frame; before the first onset and after
    the last, rest.
    """
    beat, gap = np.ones(frames), np.full(frames, _REST_SECONDS)
    for start, stop in zip(onsets, [*onsets[1:], frames + fps], strict=False):
        length = min(stop - start, round(_REST_SECONDS * fps))
        inside = slice(start, min(start + length, frames))
        beat[inside] = np.arange(length)[: inside.stop - start] / length
        gap[inside] = length / fps
    return beat, gap


def rhythm(class_name, frames, fps, rng):
    """Return a plausible envelope (frames,) of 0..1 for a class whose sound is not at hand."""
    seconds = np.arange(frames) / fps
    if class_name in _PULSES_HZ:
        low, high, decay = _PULSES_HZ[class_name]
        phase = (seconds * rng.uniform(low, high) + rng.uniform()) % 1.0
        return np.exp(-phase * decay)
    wobble = sum(
        np.sin(2 * np.pi * (seconds * rng.uniform(0.6, 5) + rng.uniform())) for _ in range(3)
    )
    return np.clip(0.62 + 0.16 * wobble, 0.05, 1.0)


_PULSES_HZ = {  # pulses per second (low, high) and how fast one dies away
    "Basketball_bounce": (1.2, 2.4, 6),
    "Clapping": (2.0, 4.0, 6),
    "Dog": (1.2, 2.6, 5),
    "Cat": (0.6, 1.1, 2.5),
    "Chicken_rooster": (0.8, 1.6, 3),
    "Fire_alarm": (1.5, 3.0, 1),
    "Telephone_bell_ringing": (0.5, 0.8, 1.5),
    "Baby_laughter": (2.0, 4.0, 3),
    "Baby_cry_infant_cry": (0.6, 1.0, 1.5),
    "Banjo": (3.0, 6.0, 3),
    "Acoustic_guitar": (1.5, 3.5, 2.5),
}
