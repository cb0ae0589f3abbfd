"""The only module that starts ffmpeg and ffprobe, and that reads and writes FLAC.

Paths are given to ffmpeg as `file:` URLs with a protocol whitelist, standard input closed and a
time limit, so that a hostile file name or playlist cannot reach anything else.
"""

import io
import json
import subprocess
from pathlib import Path

import ffmpeg
import numpy as np
import soundfile

from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.units import AUDIO_HZ, VIDEO_FPS

SAFE_INPUT = {"protocol_whitelist": "file,pipe"}
TIMEOUT_SECONDS = 6 * 3600


def url(path):
    """Return a path in the form in which ffmpeg cannot take it for an option or a protocol."""
    return f"file:{Path(path)}"


def probe(path):
    """Return ffprobe's description of a media file: {"streams": [...], "format": {...}}.

    UserError when the file is missing, empty, or not media.
    """
    _exists(path)
    command = ["ffprobe", "-v", "error", "-protocol_whitelist", "file,pipe"]
    command += ["-of", "json", "-show_format", "-show_streams", "-i", url(path)]
    out, error = _run(command, path, timeout_seconds=120)
    try:
        found = json.loads(out)
    except json.JSONDecodeError:
        found = {}
    if not found.get("streams"):
        raise UserError(f"expected audio or video, found none ({_last(error)})", path)
    return found


def read_audio(path, stream=0, sample_rate_hz=AUDIO_HZ, channels=1):
    """Return audio stream number `stream` as float32 in [-1, 1]; sample 0 is picture time 0.

    Shape (samples,) for one channel, else (samples, channels). A stream that starts late is
    preceded by silence, one that starts early is cut. UserError when it cannot be read.
    """
    first = round(_picture_start_seconds(path) * sample_rate_hz)
    source = ffmpeg.input(url(path), **SAFE_INPUT)[f"a:{stream}"]
    source = source.filter("aresample", sample_rate_hz, **{"async": 1, "first_pts": first})
    # copyts: otherwise ffmpeg moves all streams by the earliest one's start, an Opus stream's delay
    target = source.output("pipe:", format="f32le", ac=channels, ar=sample_rate_hz, copyts=None)
    out, _ = _run(_command(target), path)
    samples = np.frombuffer(out, np.float32)
    return samples if channels == 1 else samples.reshape(-1, channels)


def _picture_start_seconds(path):
    """Return when the first picture is shown, in the file's own time; 0 where there is none."""
    pictures = [x for x in probe(path)["streams"] if x.get("codec_type") == "video"]
    return float(pictures[0].get("start_time", 0.0)) if pictures else 0.0


def read_frames(path, size, frames_per_second=VIDEO_FPS, start_seconds=None, seconds=None):
    """Yield frames (height, width, 3) uint8 RGB on a fixed grid; `size` is (width, height)."""
    _exists(path)
    cut = {"ss": start_seconds, "t": seconds}
    options = {key: value for key, value in cut.items() if value is not None}
    source = ffmpeg.input(url(path), **SAFE_INPUT, **options).video
    source = source.filter("fps", frames_per_second).filter("scale", *size, flags="bilinear")
    target = source.output("pipe:", format="rawvideo", pix_fmt="rgb24")
    yield from _stream_frames(_command(target), size, path)


def _stream_frames(command, size, path):
    width, height = size
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        while data := process.stdout.read(width * height * 3):
            if len(data) < width * height * 3:
                break
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        error = process.stderr.read()
        if process.wait(timeout=60):
            raise UserError(f"cannot decode the picture ({_last(error)})", path)
    finally:
        process.kill()
        process.communicate()


def encode(path, frames, size, frames_per_second, audio=(), options=None):
    """Write frames (height, width, 3) uint8 and audio tracks as one file, byte-identical each time.

    audio: list of (FLAC or WAV path, dict of ffmpeg options for that stream), mapped in order.
    options: ffmpeg output options on top of H.264 with one thread; the suffix of `path` chooses
    the container. `path` should be a temporary path of `files.atomic`.
    """
    picture = ffmpeg.input(
        "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{size[0]}x{size[1]}", r=frames_per_second
    )
    streams, extra = [picture.video], {}
    for number, (file, stream_options) in enumerate(audio):
        streams.append(ffmpeg.input(url(file), **SAFE_INPUT).audio)
        extra.update({f"{key}:a:{number}": value for key, value in stream_options.items()})
    base = {"vcodec": "libx264", "preset": "veryfast", "crf": 23, "pix_fmt": "yuv420p"}
    base |= {"threads": 1, "fflags": "+bitexact", "flags": "+bitexact", "map_metadata": -1}
    base = base | extra | (options or {})
    _feed(_command(ffmpeg.output(*streams, url(path), **base), read_stdin=True), frames, path)


def encode_audio(path, source, options):
    """Write one FLAC or WAV file as an encoded track without picture, the same bytes each time.

    options: ffmpeg output options, such as {"c": "aac", "b": "96k"}; the suffix of `path` chooses
    the container. `path` should be a temporary path of `files.atomic`. UserError when it fails.
    """
    base = {f"{key}:a": value for key, value in options.items()}
    base |= {"threads": 1, "fflags": "+bitexact", "flags": "+bitexact", "map_metadata": -1}
    target = ffmpeg.output(ffmpeg.input(url(source), **SAFE_INPUT).audio, url(path), **base)
    _run(_command(target), path)


def _feed(command, frames, path):
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        for frame in frames:
            process.stdin.write(np.ascontiguousarray(frame, np.uint8).data)
        _, error = process.communicate(timeout=TIMEOUT_SECONDS)
    except BrokenPipeError:
        error = process.stderr.read()
        process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        raise UserError(f"cannot encode ({_last(error)})", path)


def encode_clip(frames, frames_per_second=VIDEO_FPS, crf=20, preset="superfast"):
    """Return an H.264 picture without sound in MP4, as bytes, the same bytes each time.

    frames: list of (height, width, 3) uint8 RGB, all of one even size. In this process, because a
    process per clip would cost more than the encoding.
    """
    import av

    options = {"crf": str(crf), "preset": preset, "threads": "1"}
    target = io.BytesIO()
    with av.open(target, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=frames_per_second, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return target.getvalue()


def decode_clip(data, wanted):
    """Return pictures number `wanted` (distinct, rising) of a clip, (n, height, width, 3) uint8.

    data: bytes of a whole media file. UserError when it cannot be decoded or is too short.
    """
    import av

    kept = []
    try:
        with av.open(io.BytesIO(data)) as container:
            container.streams.video[0].thread_count = 1
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    kept.append(frame.to_ndarray(format="rgb24"))
    except (av.FFmpegError, IndexError) as error:
        raise UserError(f"cannot decode the picture of a clip ({error})") from None
    if len(kept) != len(wanted):
        raise UserError(f"expected {len(wanted)} pictures in a clip, found {len(kept)}")
    return np.stack(kept)


def write_flac(path, samples, sample_rate_hz=AUDIO_HZ):
    """Write float samples in [-1, 1] as 16-bit FLAC, atomically; returns how many were clipped."""
    samples = np.asarray(samples)
    if not np.isfinite(samples).all():
        raise UserError("expected finite samples, found NaN or infinity", path)
    with atomic(path) as temporary:
        return _write_flac(temporary, samples, sample_rate_hz)


def flac_bytes(samples, sample_rate_hz=AUDIO_HZ):
    """Return (16-bit FLAC as bytes, how many samples were clipped) of float samples in [-1, 1]."""
    target = io.BytesIO()
    clipped = _write_flac(target, np.asarray(samples), sample_rate_hz)
    return target.getvalue(), clipped


def _write_flac(target, samples, sample_rate_hz):
    clipped = int((np.abs(samples) > 1).sum())
    whole = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype(np.int16)
    soundfile.write(target, whole, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return clipped


def read_flac(path, start=0, frames=-1):
    """Return (samples float32 (n,) in [-1, 1], sample rate in Hz) of a FLAC or WAV file."""
    _exists(path)
    try:
        return soundfile.read(path, frames=frames, start=start, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise UserError(f"cannot read audio ({error})", path) from None


def decode_flac(data):
    """Return (samples float32 (n,) in [-1, 1], sample rate in Hz) of a FLAC file in memory."""
    try:
        return soundfile.read(io.BytesIO(data), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise UserError(f"cannot decode the sound of a clip ({error})") from None


def flac_samples(path):
    """Return how many samples a FLAC file holds; UserError when it cannot be read."""
    _exists(path)
    try:
        return soundfile.info(path).frames
    except soundfile.LibsndfileError as error:
        raise UserError(f"cannot read audio ({error})", path) from None


def _exists(path):
    path = Path(path)
    if not path.is_file():
        raise UserError("expected a media file, found nothing", path)
    if path.stat().st_size == 0:
        raise UserError("expected a media file, found an empty one (0 bytes)", path)


def _command(target, read_stdin=False):
    flags = ["-hide_banner", "-v", "error"] + ([] if read_stdin else ["-nostdin"])
    return target.global_args(*flags).overwrite_output().compile()


def _run(command, path, timeout_seconds=TIMEOUT_SECONDS):
    """Return (stdout, stderr) of a command that must succeed; UserError names the file."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_seconds
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{command[0]} did not finish in {timeout_seconds} s", path) from None
    except FileNotFoundError:
        fix = "install ffmpeg (Debian: apt-get install ffmpeg)"
        raise UserError(f"{command[0]} is not installed", fix=fix) from None
    if done.returncode:
        raise UserError(f"cannot read media ({_last(done.stderr)})", path)
    return done.stdout, done.stderr


def _last(error):
    lines = error.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"
