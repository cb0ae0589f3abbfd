"""Take the speech out of one audio track, keeping its length, rate and channels.

    python -m soundstage.nospeech.separate --audio IN.flac --out OUT.flac [--settings JSON_OR_FILE]

The track is read, separated and written a chunk at a time, so memory does not grow with length.
With `output: subtract` the result is the input minus the estimated speech, brought up to the
input's rate: what lies above the band of the separator stays as it was.
"""

import random
import time

import numpy as np
import soundfile

from soundstage.cli import add_settings, parser, run, say
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.nospeech.chunks import Grid, joined, plan
from soundstage.nospeech.load import open_separator, speech_stem
from soundstage.nospeech.settings import Settings
from soundstage.units import samples_to_seconds, seed_of

SAY_EVERY_SECONDS = 5.0
SILENCE = 1e-4  # peak below which there is nothing to separate: 3 steps of 16 bits


def main():
    """Separate the track that the command line names."""
    arguments = parser(__doc__)
    arguments.add_argument("--audio", required=True, help="FLAC or WAV file, any rate")
    arguments.add_argument("--out", required=True, help="16-bit FLAC file to write")
    add_settings(arguments, Settings)
    values = arguments.parse_args()
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
            soundfile.SoundFile(
                temporary, "w", source.samplerate, source.channels, "PCM_16", format="FLAC"
            ) as target,
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
    model = separator.model
    seconds = getattr(model, "max_allowed_segment", None) or model.segment
    seconds = seconds if np.isfinite(float(seconds)) else min(m.segment for m in model.models)
    grid = Grid.of(seconds, settings.overlap, separator.samplerate, rate)
    chunks = plan(total, grid, settings.chunk_seconds, rate)
    watch = _watch(separator, total, rate)
    inputs = {}

    def estimates():
        for chunk in chunks:
            watch(chunk)
            audio = _read(source, chunk.read_start, chunk.read_stop)
            inputs[chunk.number] = audio[:, chunk.start - chunk.read_start :]
            random.seed(seed_of("nospeech", settings.seed, chunk.number))
            found = estimate(audio, rate, separator, settings.output)
            yield found[:, chunk.start - chunk.read_start : chunk.blend - chunk.read_start]

    for chunk, piece in zip(chunks, joined(chunks, estimates()), strict=True):
        audio = inputs.pop(chunk.number)[:, : piece.shape[1]]
        yield audio - piece if settings.output == "subtract" else piece
    say(f"nospeech: {samples_to_seconds(total, rate):.0f} s of audio done")


def estimate(audio, sample_rate_hz, separator, output):
    """Return speech ("subtract") or all the rest ("stem") in `audio`, at its own rate.

    audio: float32 (channels, samples), finite. The result has its shape. Silence gives silence.
    A separator for one channel sees each channel by itself; one for two sees a mono track twice.
    """
    if np.abs(audio).max(initial=0.0) < SILENCE:
        return np.zeros_like(audio) if output == "subtract" else audio.copy()
    if separator.audio_channels == 1:
        return np.concatenate([_stem(row[None], sample_rate_hz, separator, output) for row in audio])
    wide = np.broadcast_to(audio, (separator.audio_channels, audio.shape[1]))
    found = _stem(wide, sample_rate_hz, separator, output)
    return found if len(audio) == len(found) else found.mean(0, keepdims=True)


def _stem(audio, sample_rate_hz, separator, output):
    """Return the stem that `output` asks for of audio that has the separator's channels."""
    import torch
    from julius import resample_frac

    # demucs adds the mean of its input to every stem; without one, nothing is added.
    level = audio.mean(dtype=np.float64).astype(np.float32)
    _, stems = separator.separate_tensor(torch.from_numpy(audio - level), sample_rate_hz)
    speech = speech_stem(separator)
    if output == "subtract":
        found, level = stems[speech], np.float32(0)
    else:
        found = sum(stem for name, stem in stems.items() if name != speech)
    found = resample_frac(
        found, separator.samplerate, sample_rate_hz, output_length=audio.shape[1]
    )
    return found.numpy() + level


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


def _watch(separator, total, sample_rate_hz):
    """Have demucs report finished segments as seconds of audio; returns what starts a chunk."""
    state = {"start": 0, "last": time.monotonic()}
    seconds = samples_to_seconds(total, sample_rate_hz)

    def finished(event):
        now = time.monotonic()
        if event["state"] == "end" and now - state["last"] >= SAY_EVERY_SECONDS:
            state["last"] = now
            inside = event["segment_offset"] / separator.samplerate
            done = min(seconds, samples_to_seconds(state["start"], sample_rate_hz) + inside)
            say(f"nospeech: {done:.0f} of {seconds:.0f} s of audio")

    separator.update_parameter(callback=finished)
    return lambda chunk: state.update(start=chunk.read_start)


if __name__ == "__main__":
    run(main)
