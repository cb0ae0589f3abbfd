"""One media file into the windows that the towers read, a few at a time: a long file takes no more memory."""

import av
import numpy as np

from soundstage import media
from soundstage.errors import UserError
from soundstage.evaluate import crops
from soundstage.model.inputs import audio_windows, log_mel, source_frames, video_windows
from soundstage.units import AUDIO_HZ, seconds_to_samples

SAFE = {"protocol_whitelist": "file,pipe"}
SILENT = "silent: no sample above {} dB"
NO_STREAM = "no audio stream"
STAND_IN = "the mean embedding of the clips with sound stands in"
BLOCK_WINDOWS = 8  # windows of sound that are transformed at once


def read_sound(path):
    """Return the first audio stream whole, (samples,) float32 at 48 kHz mono; see `stream_sound`."""
    return np.concatenate(list(stream_sound(path)))


def stream_sound(path):
    """Yield the first audio stream as (n,) float32 pieces at 48 kHz mono.

    Sample 0 is the file's first time stamp, of sound or picture; what comes late follows silence.

    Decoded in this process: a benchmark has hundreds of short files, for each of which a process
    of its own would take ten times as long. UserError names a file that is missing, empty, or has
    no audio that can be read, also half-way.
    """
    if path.is_file() and not path.stat().st_size:
        raise UserError("an empty file (0 bytes)", path)
    empty = True
    try:
        with av.open(media.url(path), options=SAFE) as container:
            if not container.streams.audio:
                raise UserError(NO_STREAM, path)
            for piece in _from_start(_resampled(container)):
                empty = False
                yield piece
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"cannot read the sound ({error.strerror})", path) from None
    if empty:
        raise UserError("expected audio, found no sample", path)


def _resampled(container):
    """Yield seconds from the file's start to the first sample, then (n,) float32 pieces; nothing if there is none."""
    stream = container.streams.audio[0]
    stream.thread_type = "NONE"
    to_mono = av.AudioResampler(format="flt", layout="mono", rate=AUDIO_HZ)
    started = False
    for frame in container.decode(stream):
        if not started:
            started = True
            yield _since_start(frame, container)
        yield from (out.to_ndarray()[0] for out in to_mono.resample(frame))
    if started:
        yield from (out.to_ndarray()[0] for out in to_mono.resample(None))


def _from_start(pieces):
    """Yield the pieces with silence before them, or without what lies before the start."""
    late = seconds_to_samples(next(pieces, 0.0))
    for start in range(0, late, AUDIO_HZ):
        yield np.zeros(min(AUDIO_HZ, late - start), np.float32)
    for piece in pieces:
        skipped = min(max(-late, 0), len(piece))
        late += skipped
        if skipped < len(piece):
            yield piece[skipped:]


def _since_start(frame, container):
    """Return how long after the container's first time stamp a frame begins, in seconds."""
    return 0.0 if frame.time is None else frame.time - (container.start_time or 0) / av.time_base


class Sound:
    """The sound of a file, window by window. peak: its loudest sample so far; samples: how many so far."""

    def __init__(self, path, inputs):
        self.path, self.inputs, self.peak, self.samples = path, inputs, 0.0, 0

    def blocks(self):
        """Yield the log-mels of its windows, (n, 1, mels, mel_frames) float32 dB, a few at a time."""
        block = []
        for window in self.windows():
            block.append(window)
            if len(block) == BLOCK_WINDOWS:
                yield log_mel(np.stack(block), self.inputs).numpy()
                block = []
        if block:
            yield log_mel(np.stack(block), self.inputs).numpy()

    def windows(self):
        """Yield (clip samples,) float32 windows as `audio_windows` cuts them from the whole sound."""
        length = seconds_to_samples(self.inputs.clip_seconds)
        last, pieces, waiting = np.zeros(0, np.float32), [], 0
        for piece in self._counted():
            pieces.append(piece)
            waiting += len(piece)
            while waiting >= length:
                joined = np.concatenate(pieces)
                last, pieces, waiting = joined[:length], [joined[length:]], waiting - length
                yield last
        if len(last) == 0 or waiting > seconds_to_samples(self.inputs.tail_seconds):
            yield audio_windows(np.concatenate([last, *pieces])[-length:], self.inputs)[0]

    def _counted(self):
        for piece in stream_sound(self.path):
            self.peak = max(self.peak, float(np.max(np.abs(piece), initial=0.0)))
            self.samples += len(piece)
            yield piece


def sound_windows(samples, inputs):
    """Return the log-mels of a recording's windows, (windows, 1, mels, mel_frames) float32 dB."""
    return log_mel(audio_windows(samples, inputs), inputs).numpy()


def to_db(peak):
    """Return a level in [0, 1] in dB re 1; -inf for digital silence."""
    return 20 * np.log10(peak) if peak > 0 else -np.inf


def picture_windows(path, inputs, choose=video_windows, view=("centre", 0)):
    """Return what `stream_pictures` yields in one, (windows * crops, frames, crop_height, crop_width, 3) uint8."""
    return np.concatenate(list(stream_pictures(path, inputs, choose, view)))


def stream_pictures(path, inputs, choose=video_windows, view=("centre", 0)):
    """Yield the crops of a video's windows, (crops, frames, crop_height, crop_width, 3) uint8 each.

    choose(pictures at 25 fps, inputs) -> (windows, frames) says which pictures a window has, windows in
    order of time. They are taken from the nearest source picture of a 25 fps grid. view: crops and short side
    of `soundstage.evaluate.crops`. The file is gone through once to count and once to decode. UserError
    names a file without a picture that can be decoded.
    """
    try:
        with av.open(media.url(path), options=SAFE) as container:
            count, rate = _count(container, path)
        wanted = source_frames(count, rate)
        wanted = wanted[choose(len(wanted), inputs)]
        with av.open(media.url(path), options=SAFE) as container:
            window = None
            for window in gathered(wanted.tolist(), _pick(container, wanted, inputs, view[1])):
                yield crops.cut(window, inputs, *view)
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"cannot read the picture ({error.strerror})", path) from None
    if window is None:
        raise UserError("expected a picture, none could be decoded", path)


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


def _pick(container, wanted, inputs, short_side):
    """Yield (index, picture (height, width, 3) uint8) of the wanted source pictures, and of the last there is."""
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    keep, end, frame = set(wanted.ravel().tolist()), int(wanted.max()), None
    for index, frame in enumerate(container.decode(stream)):
        if index in keep:
            yield index, _seen(frame, inputs, short_side)
        if index >= end:
            return
    if frame is not None and index not in keep:
        yield index, _seen(frame, inputs, short_side)


def gathered(wanted, pictures):
    """Yield the pictures of every window, (frames, height, width, 3), as soon as they are there.

    wanted: a list of indices per window, each rising and no window beginning before another that precedes it;
    pictures: (index, picture) in rising order. Where they end early the last one stands for the rest.
    """
    kept, row, last = {}, 0, None
    for index, last in pictures:
        kept[index] = last
        while row < len(wanted) and wanted[row][-1] <= index:
            yield np.stack([kept[i] for i in wanted[row]])
            row += 1
            oldest = wanted[row][0] if row < len(wanted) else index
            kept = {i: picture for i, picture in kept.items() if i >= oldest}
    for rest in wanted[row:] if last is not None else ():
        yield np.stack([kept.get(i, last) for i in rest])


def _seen(frame, inputs, short_side):
    return crops.seen(frame.to_ndarray(format="rgb24")[None], inputs, short_side)[0]
