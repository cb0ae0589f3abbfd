"""One media file into the windows that the towers read."""

import av
import numpy as np

from soundstage import media
from soundstage.errors import UserError
from soundstage.model.inputs import (
    audio_windows,
    log_mel,
    resize_frames,
    source_frames,
    video_windows,
)
from soundstage.units import AUDIO_HZ, seconds_to_samples

SAFE = {"protocol_whitelist": "file,pipe"}
SILENT = "silent: no sample above {} dB"
NO_STREAM = "no audio stream"
STAND_IN = "the mean embedding of the clips with sound stands in"


def read_sound(path):
    """Return the first audio stream as (samples,) float32 at 48 kHz mono.

    Sample 0 is the file's first time stamp, of sound or picture; what comes late follows silence.

    Decoded in this process: a benchmark has hundreds of short files, for each of which a process
    of its own would take ten times as long. UserError names a file that is missing, empty, or has
    no audio that can be read.
    """
    if path.is_file() and not path.stat().st_size:
        raise UserError("an empty file (0 bytes)", path)
    try:
        with av.open(media.url(path), options=SAFE) as container:
            if not container.streams.audio:
                raise UserError(NO_STREAM, path)
            start, parts = _resampled(container)
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"cannot read the sound ({error.strerror})", path) from None
    if not parts:
        raise UserError("expected audio, found no sample", path)
    late = seconds_to_samples(start)
    samples = np.concatenate([np.zeros(max(late, 0), np.float32), *parts])
    return samples[max(-late, 0) :]


def _resampled(container):
    """Return (seconds from the file's start to the first sample, list of (n,) float32 pieces)."""
    stream = container.streams.audio[0]
    stream.thread_type = "NONE"
    to_mono = av.AudioResampler(format="flt", layout="mono", rate=AUDIO_HZ)
    start, parts = None, []
    for frame in container.decode(stream):
        start = _since_start(frame, container) if start is None else start
        parts += [out.to_ndarray()[0] for out in to_mono.resample(frame)]
    if start is not None:
        parts += [out.to_ndarray()[0] for out in to_mono.resample(None)]
    return start, parts


def _since_start(frame, container):
    """Return how long after the container's first time stamp a frame begins, in seconds."""
    return 0.0 if frame.time is None else frame.time - (container.start_time or 0) / av.time_base


def sound_windows(samples, inputs):
    """Return the log-mels of a recording's windows, (windows, 1, mels, mel_frames) float32 dB."""
    return log_mel(audio_windows(samples, inputs), inputs).numpy()


def peak_db(samples):
    """Return the level of the loudest sample in dB re 1; -inf for digital silence."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    return 20 * np.log10(peak) if peak > 0 else -np.inf


def picture_windows(path, inputs, choose=video_windows):
    """Return the pictures of a video's windows, (windows, frames, height, width, 3) uint8.

    choose(pictures at 25 fps, inputs) -> (windows, frames) says which pictures a window has. They
    are taken from the nearest source picture of a 25 fps grid and resized whole. The
    file is gone through once to count and once to decode, so that memory does not grow with it.
    UserError names a file without a picture that can be decoded.
    """
    try:
        with av.open(media.url(path), options=SAFE) as container:
            count, rate = _count(container, path)
        wanted = source_frames(count, rate)
        wanted = wanted[choose(len(wanted), inputs)]
        with av.open(media.url(path), options=SAFE) as container:
            pictures = _pick(container, sorted(set(wanted.ravel().tolist())), inputs)
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"cannot read the picture ({error.strerror})", path) from None
    if not pictures:
        raise UserError("expected a picture, none could be decoded", path)
    last = max(pictures)
    return np.stack([[pictures[min(i, last)] for i in row] for row in wanted.tolist()])


def _count(container, path):
    """Return (pictures, pictures per second) of the first video stream, without decoding."""
    if not container.streams.video:
        raise UserError("no video stream", path)
    stream = container.streams.video[0]
    count = sum(1 for packet in container.demux(stream) if packet.size)
    rate = stream.average_rate or stream.guessed_rate
    if not count or not rate:
        raise UserError(f"expected pictures, found {count} at {rate} a second", path)
    return count, float(rate)


def _pick(container, wanted, inputs):
    """Return {index: picture (height, width, 3) uint8} of the wanted, sorted source pictures.

    Where decoding ends early, the last picture there is stands for the last wanted ones.
    """
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    found, keep, frame = {}, set(wanted), None
    for index, frame in enumerate(container.decode(stream)):
        if index in keep:
            found[index] = _small(frame, inputs)
        if index >= wanted[-1]:
            return found
    if frame is not None:
        found[index] = _small(frame, inputs)
    return found


def _small(frame, inputs):
    return resize_frames(frame.to_ndarray(format="rgb24")[None], inputs)[0]
