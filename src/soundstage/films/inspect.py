"""What makes a file or a track unusable, each with the words for the person who owns it.

Pure functions on ffprobe's description, frame times and sample counts; "" means that all is well.
"""

import numpy as np

from soundstage.media import declared_seconds, picture_stream
from soundstage.units import AUDIO_HZ


def frame_rate(times):
    """Return (mean frames per second, is it variable) of presentation times in seconds.

    Variable: a tenth or more of the frames last more than a quarter longer or shorter than the
    median; times rounded to milliseconds are still constant.
    """
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        return 0.0, False
    middle = np.median(steps)
    odd = np.abs(steps - middle) > max(0.25 * middle, 0.0021)
    return float(len(steps) / steps.sum()), bool(odd.mean() >= 0.1)


def picture_trouble(described, times, settings):
    """Return what is wrong with a film's picture, or "".

    described: ffprobe's dict; times: (frames,) presentation times in seconds.
    """
    stream = picture_stream(described)
    if stream is None:
        return "no picture: the file has no video stream"
    if len(times) < 2:
        return f"unknown frame rate: {len(times)} frame(s) with a time"
    rate, _ = frame_rate(times)
    low, high = settings.min_frames_per_second, settings.max_frames_per_second
    if not low <= rate <= high:
        return f"the frame rate cannot be mapped: {rate:.3f} a second, {low:g} to {high:g} expected"
    steps = np.diff(times)
    gap = int(np.argmax(steps))
    if steps[gap] > settings.max_frame_gap_seconds:
        return (
            f"a variable frame rate that cannot be mapped: no picture for {steps[gap]:.2f} s "
            f"after {times[gap]:.2f} s, at most {settings.max_frame_gap_seconds:g} s expected"
        )
    end = times[-1] - times[0] + 1 / rate
    return _short("the picture", end, declared_picture_seconds(described), settings)


def declared_picture_seconds(described):
    """Return how long the picture says that it lasts, in seconds, or None."""
    declared = declared_seconds(described, picture_stream(described))
    if declared is None and len(described["streams"]) == 1:
        declared = _file_seconds(described)
    return declared


def track_trouble(described, number, samples, complaints, settings):
    """Return what is wrong with an audio track after it was decoded, or "".

    number: which of the file's audio streams; samples: how many came out at 48 kHz, from picture
    time 0 on; complaints: the decoder's.
    """
    if samples == 0:
        return "zero length: the track holds no sound after picture time 0"
    stream = audio_streams(described)[number]
    picture = picture_stream(described)
    start = float(stream.get("start_time", 0)) - float((picture or {}).get("start_time", 0))
    declared = declared_seconds(described, stream)
    if declared is None and len(described["streams"]) == 1:
        declared = _file_seconds(described)
    expected = None if declared is None else declared + start
    short = _short("the track", samples / AUDIO_HZ, expected, settings)
    if short or len(complaints) <= settings.max_decode_errors:
        return short
    return f"damaged: {len(complaints)} decoding errors, the first: {complaints[0]}"


def film_end_trouble(described, ends_seconds, settings):
    """Return whether a file stops before the end that its header gives, or "".

    ends_seconds: where its streams end, picture and tracks; the longest must reach the end.
    """
    return _short("the file", max(ends_seconds), _file_seconds(described), settings)


def _file_seconds(described):
    """Return how long a file says that it is, its longest stream that is, in seconds; None when it does not say."""
    return float(described["format"].get("duration", 0)) or None


def audio_streams(described):
    """Return ffprobe's entries of a file's audio streams, in order."""
    return [x for x in described["streams"] if x.get("codec_type") == "audio"]


def _short(what, seconds, declared, settings):
    if declared is None or seconds >= declared - settings.missing_tolerance_seconds:
        return ""
    return f"truncated: {what} ends at {seconds:.2f} s, its header says {declared:.2f} s"
