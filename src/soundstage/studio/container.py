"""Short videos with sound, written in this process.

A process per clip would cost more than its encoding; films, which are long, go through
`soundstage.media`.
"""

from fractions import Fraction

import av
import numpy as np

from soundstage.units import AUDIO_HZ, VIDEO_FPS

BITS_PER_SECOND = 96000
# Container suffix -> codecs and options: what UCF101 and VGGSound are published in, or close to it.
_FORMATS = {
    ".avi": ("mpeg4", "libmp3lame", {"qmin": "5", "qmax": "5"}),
    ".mp4": ("libx264", "aac", {"preset": "ultrafast", "crf": "23"}),
}
_QUICK = {"aac": {"aac_coder": "fast"}}  # a third of the time of the usual search


def write_video(path, frames, sound=None):
    """Write frames (uint8 (height, width, 3) RGB, 25 fps) with float32 sound at 48 kHz, or without any.

    The suffix of `path` chooses AVI with MPEG-4 and MP3, or MP4 with H.264 and AAC; both streams
    start at 0. One thread and no time stamp: the same input gives the same bytes.
    """
    picture_codec, sound_codec, options = _FORMATS[path.suffix]
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        seen = container.add_stream(picture_codec, rate=VIDEO_FPS, options=options)
        seen.pix_fmt, seen.thread_count = "yuv420p", 1
        heard = None if sound is None else _sound_stream(container, sound_codec)
        for number, frame in enumerate(frames):
            if not number:
                seen.height, seen.width = frame.shape[:2]
            container.mux(seen.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(seen.encode())
        if heard is not None:
            for frame in _sound_frames(sound, heard):
                container.mux(heard.encode(frame))
            container.mux(heard.encode())


def _sound_stream(container, codec):
    stream = container.add_stream(codec, rate=AUDIO_HZ, options=_QUICK.get(codec, {}))
    stream.bit_rate, stream.layout, stream.thread_count = BITS_PER_SECOND, "mono", 1
    return stream


def _sound_frames(sound, stream):
    """Return the frames of `sound` in the format and length that a stream's codec wants."""
    whole = np.rint(sound * 32767.0).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = AUDIO_HZ, Fraction(1, AUDIO_HZ), 0
    size = stream.codec_context.frame_size or None
    resampler = av.AudioResampler(stream.format, "mono", AUDIO_HZ, size)
    return [*resampler.resample(frame), *resampler.resample(None)]
