"""Take the speech out of one audio track, keeping its length, rate and channels.

    python -m soundstage.nospeech.separate --audio IN.flac --out OUT.flac [--settings JSON_OR_FILE]

The track is read, separated and written a chunk at a time, so memory does not grow with length.
With `output: subtract` the result is the input minus the estimated speech, brought up to the
input's rate: what lies above the band of the separator stays as it was.
"""

import math
import random
import time
from fractions import Fraction

import numpy as np
import soundfile

from soundstage.cli import add_settings, parser, run, say
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.media import flac_samples, write_empty_flac
from soundstage.nospeech.chunks import Grid, joined, plan
from soundstage.nospeech.load import open_separator, speech_stem
from soundstage.nospeech.settings import Settings
from soundstage.units import samples_to_seconds, seed_of

SAY_EVERY_SECONDS = 5.0
TYPICAL_RMS = np.float32(0.1)  # of a film's track, full scale 1
SILENCE = 1e-4  # peak below which there is nothing to separate: 3 steps of 16 bits


def main():
    """Separate the track that the command line names."""
    arguments = parser(__doc__)
    arguments.add_argument("--audio", required=True, help="FLAC or WAV file, any rate")
    arguments.add_argument("--out", required=True, help="16-bit FLAC file to write")
    add_settings(arguments, Settings)
    values = arguments.parse_args()
    if flac_samples(values.audio) == 0:
        write_empty_flac(values.out)
        say(f"{values.audio}: a track that was dropped has no samples, and so has {values.out}")
        return
    clipped = separate_file(values.audio, values.out, values.settings)
    if clipped:
        say(f"{values.out}: {clipped} samples above full scale were clipped")


def separate_file(audio, out, settings, separator=None):
    """Write the track `audio` without speech to `out`; return how many samples were clipped.

    The output is 16-bit FLAC with the input's sample rate, channels (1 or 2) and sample count, the
    same bytes each time. UserError for a track that is missing, empty, not audio, not finite, or
    has more than two channels. `separator`: an opened one, else that of the settings.
    """
    with _opened(audio) as source:
        separator = separator or open_separator(settings)
        _one_thread()
        with (
            atomic(out) as temporary,
            soundfile.SoundFile(temporary, "w", source.samplerate, source.channels, "PCM_16", format="FLAC") as target,
        ):
            clipped = 0
            for piece in separated(source, separator, settings):
                clipped += int((np.abs(piece) > 1).sum())
                target.write(_whole(piece.T))
    return clipped


def separated(source, separator, settings):
    """Yield the track without speech, chunk after chunk: float32 (channels, samples).

    source: an open `soundfile.SoundFile`. The pieces have, together, exactly its sample count.
    """
    rate, total = source.samplerate, source.frames
    grid = Grid.of(_segment_seconds(separator), settings.overlap, separator.samplerate, rate)
    chunks = plan(total, grid, settings.chunk_seconds, rate)
    watch = _Watch(total, rate, separator.samplerate)
    inputs = {}

    def estimates():
        for chunk in chunks:
            watch.start = chunk.read_start
            audio = _read(source, chunk.read_start, chunk.read_stop)
            inputs[chunk.number] = audio[:, chunk.start - chunk.read_start :]
            random.seed(seed_of("nospeech", settings.seed, chunk.number))
            found = estimate(audio, rate, separator, settings, watch)
            yield found[:, chunk.start - chunk.read_start : chunk.blend - chunk.read_start]

    for chunk, piece in zip(chunks, joined(chunks, estimates()), strict=True):
        audio = inputs.pop(chunk.number)[:, : piece.shape[1]]
        yield audio - piece if settings.output == "subtract" else piece
    say(f"nospeech: {samples_to_seconds(total, rate):.0f} s of audio done")


def estimate(audio, sample_rate_hz, separator, settings, callback=None):
    """Return speech (output: subtract) or all the rest (output: stem) in `audio`, at its own rate.

    audio: float32 (channels, samples), finite. The result has its shape. Silence gives silence.
    A separator for one channel sees each channel by itself; one for two sees a mono track twice.
    callback: called by demucs when it starts and ends a segment.
    """
    if np.abs(audio).max(initial=0.0) < SILENCE:
        return np.zeros_like(audio) if settings.output == "subtract" else audio.copy()

    def stem(channels):
        return _stem(channels, sample_rate_hz, separator, settings, callback)

    if separator.audio_channels == 1:
        return np.concatenate([stem(row[None]) for row in audio])
    wide = np.broadcast_to(audio, (separator.audio_channels, audio.shape[1]))
    return stem(wide) if len(audio) == len(wide) else stem(wide).mean(0, keepdims=True)


def _stem(audio, sample_rate_hz, separator, settings, callback):
    """Return the asked stem of audio (channels, samples) that has the separator's channels.

    `Separator.separate_tensor` would shift and scale by the mean and spread of what it is given,
    which differ from chunk to chunk; the function below it is given one scale for all.
    """
    import torch
    from demucs.apply import apply_model
    from julius import resample_frac

    count = audio.shape[1]
    # whole steps of both rates, or the way back from a lower rate would fall short of the end
    step = sample_rate_hz // math.gcd(sample_rate_hz, separator.samplerate)
    scaled = torch.from_numpy(np.pad(audio / TYPICAL_RMS, ((0, 0), (0, -count % step))))
    stems = apply_model(
        separator.model,
        resample_frac(scaled, sample_rate_hz, separator.samplerate)[None],
        shifts=settings.shifts,
        overlap=settings.overlap,
        device="cpu",
        callback=callback,
    )[0]
    chosen = [
        number
        for number, name in enumerate(separator.model.sources)
        if (name == speech_stem(separator)) == (settings.output == "subtract")
    ]
    found = resample_frac(stems[chosen].sum(0), separator.samplerate, sample_rate_hz)
    return found.numpy()[:, :count] * TYPICAL_RMS


def _segment_seconds(separator):
    """Return the longest segment, in seconds, on which the model or one of its bag works."""
    models = getattr(separator.model, "models", [separator.model])
    return max(Fraction(model.segment) for model in models)


def _opened(audio):
    """Return an open sound file that can be separated; UserError when it cannot."""
    try:
        source = soundfile.SoundFile(audio)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"cannot read audio ({error})", audio) from None
    if source.frames == 0:
        raise UserError("expected audio, found a track of zero samples", audio)
    if source.channels > 2:
        raise UserError(f"expected one or two channels, found {source.channels}", audio)
    return source


def _read(source, start, stop):
    """Return samples [start, stop) as float32 (channels, samples); UserError when not finite."""
    source.seek(start)
    audio = source.read(stop - start, dtype="float32", always_2d=True).T
    if audio.shape[1] != stop - start:
        found, wanted = start + audio.shape[1], source.frames
        raise UserError(f"the track ends after {found} of {wanted} samples", source.name)
    if not np.isfinite(audio).all():
        first = start + int(np.flatnonzero(~np.isfinite(audio).all(0))[0])
        raise UserError(f"expected finite samples, found NaN or infinity at {first}", source.name)
    return np.ascontiguousarray(audio)


def _whole(samples):
    """Return float samples as 16-bit integers, rounded and clipped."""
    return np.clip(np.rint(samples * 32767.0), -32768, 32767).astype(np.int16)


def _one_thread():
    """Use one thread, so that neither bytes nor the load depend on the number of cores."""
    import torch

    torch.set_num_threads(1)


class _Watch:
    """Says how many seconds of audio are done when demucs has finished a segment."""

    def __init__(self, total, sample_rate_hz, model_hz):
        self.start = 0  # sample at which the chunk that is being separated was read
        self.seconds = samples_to_seconds(total, sample_rate_hz)
        self.sample_rate_hz = sample_rate_hz
        self.model_hz = model_hz
        self.last = time.monotonic()

    def __call__(self, event):
        now = time.monotonic()
        if event["state"] == "end" and now - self.last >= SAY_EVERY_SECONDS:
            self.last = now
            done = samples_to_seconds(self.start, self.sample_rate_hz)
            done = min(self.seconds, done + event["segment_offset"] / self.model_hz)
            say(f"nospeech: {done:.0f} of {self.seconds:.0f} s of audio")


if __name__ == "__main__":
    run(main)
