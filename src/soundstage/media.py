"""The only module that starts ffmpeg and ffprobe, and that reads and writes FLAC.

Paths are given to ffmpeg as `file:` URLs with a protocol whitelist, standard input closed and a
time limit, so that a hostile file name or playlist cannot reach anything else.
"""

import copy
import functools
import hashlib
import io
import itertools
import json
import subprocess
import tempfile
import threading
from pathlib import Path

import ffmpeg
import numpy as np
import soundfile

from soundstage import headers
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.units import AUDIO_HZ, VIDEO_FPS

SAFE_INPUT = {"protocol_whitelist": "file,pipe"}
TIMEOUT_SECONDS = 6 * 3600
OPUS_DELAY_SECONDS = 312 / 48000
LAVF_FIXED = 60
EMPTY_FLAC_BYTES = 42
FAINT = 10 ** (-50 / 20)  # peak of a mono sum in which channels may have cancelled each other
CANCELLED_TIMES = 10  # so much louder a channel peaks than the sum in which it cancelled
GUESSED = b"Estimating duration from bitrate"  # ffprobe's warning that a length is its own guess


def url(path):
    """Return a path in the form in which ffmpeg cannot take it for an option or a protocol."""
    return f"file:{Path(path)}"


def probe(path):
    """Return ffprobe's description of a media file: {"streams": [...], "format": {...}}.

    UserError when the file is missing, empty, or not media.
    """
    _exists(path)
    about = Path(path).stat()
    return copy.deepcopy(_described(str(path), about.st_mtime_ns, about.st_size))


@functools.lru_cache(maxsize=8)
def _described(path, changed, size):
    """Return what `probe` does of a file as it was last changed; asked several times of a video in a row."""
    command = ["ffprobe", "-v", "warning", "-protocol_whitelist", "file,pipe"]
    command += ["-of", "json", "-show_format", "-show_streams", "-i", url(path)]
    out, error = _run(command, path)
    try:
        found = json.loads(out)
    except json.JSONDecodeError:
        found = {}
    if not found.get("streams"):
        raise UserError(f"expected audio or video, found none ({_last(error)})", path)
    if GUESSED in error:  # a bare stream (ADTS, AC-3) has no header; after two seconds of silence 180 s became 2874 s
        for entry in (found["format"], *found["streams"]):
            entry.pop("duration", None)
    headers.correct(path, found)
    return found


def read_audio(path, stream=0, sample_rate_hz=AUDIO_HZ, channels=1):
    """Return audio stream number `stream` as float32 in [-1, 1]; sample 0 is picture time 0.

    Shape (samples,) for one channel, else (samples, channels). A stream that starts late is
    preceded by silence, one that starts early is cut. One channel is the sum of all, but for those
    that cancel each other: see `_uncancelled`. UserError when it cannot be read.
    """
    samples = _decoded(path, stream, sample_rate_hz, channels)
    if channels > 1:
        return samples.reshape(-1, channels)
    channel = _uncancelled(path, stream, [samples])
    return samples if channel is None else _decoded(path, stream, sample_rate_hz, 1, channel)


def _decoded(path, stream, sample_rate_hz, channels, channel=None):
    """Return a stream's samples as float32, those of several channels in turn; channel: only this one of its."""
    source = _audio_on_picture_time(path, stream, sample_rate_hz, channel)
    # copyts: otherwise ffmpeg moves all streams by the earliest one's start, an Opus stream's delay
    target = source.output("pipe:", format="f32le", ac=channels, ar=sample_rate_hz, copyts=None)
    out, _ = _run(_command(target), path)
    return np.frombuffer(out, np.float32)


def stream_audio(path, stream=0, sample_rate_hz=AUDIO_HZ, block_samples=1 << 18):
    """Yield what `read_audio` returns, for one channel, in blocks: a film never lies in memory whole.

    A stream that begins faintly is decoded once more from its start, when it is known whether its
    channels cancel. UserError when it cannot be read, also half-way.
    """
    blocks = _blocks(path, stream, sample_rate_hz, block_samples)
    first = next(blocks, np.zeros(0, np.float32))
    if _faint(first):
        channel = _uncancelled(path, stream, itertools.chain([first], blocks))
        yield from _blocks(path, stream, sample_rate_hz, block_samples, channel)
    else:
        yield first
        yield from blocks


def _blocks(path, stream, sample_rate_hz, block_samples, channel=None):
    """Yield a stream's mono sum, or one channel of it, in blocks of float32."""
    source = _audio_on_picture_time(path, stream, sample_rate_hz, channel)
    target = source.output("pipe:", format="f32le", ac=1, ar=sample_rate_hz, copyts=None)
    for data in _stream(_command(target), 4 * block_samples, path, "sound"):
        yield np.frombuffer(data[: len(data) // 4 * 4], np.float32)


def read_passage(path, stream, first, count):
    """Return samples first (0 or more) to first + count of what `read_audio` returns at 48 kHz, fewer at its end.

    What lies before is decoded and let go: a seek is off by up to a millisecond in Matroska, by more
    in others, and a codec's state differs after it.
    """
    parts, at = [np.zeros(0, np.float32)], 0
    for block in stream_audio(path, stream):
        parts.append(block[max(0, first - at) : max(0, first + count - at)])
        at += len(block)
        if at >= first + count:
            break
    return np.concatenate(parts)


def _faint(samples):
    """Return whether samples are so quiet that channels may have cancelled each other in them; not if one is NaN."""
    return bool(np.abs(samples).max(initial=0.0) <= FAINT)


def _uncancelled(path, stream, blocks):
    """Return the number of the channel that stands for a stream whose channels cancel each other, or None.

    blocks: the mono sum, looked at up to the first that is not faint. When all of it stays below -50
    dBFS, and the loudest channel's peak is 20 dB above its, as with stereo of opposite polarity, that
    channel is the sound; else the sum is.
    """
    track = [x for x in probe(path)["streams"] if x.get("codec_type") == "audio"][stream]
    channels, peak = int(track.get("channels", 1)), 0.0
    if channels < 2:
        return None
    for block in blocks:
        if not _faint(block):
            return None
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
    peaks, powers = _channel_levels(path, stream, channels)
    loudest = int(np.argmax(powers))
    return loudest if peaks[loudest] > max(FAINT, CANCELLED_TIMES * peak) else None


def _channel_levels(path, stream, channels):
    """Return ((channels,) peaks, (channels,) sums of squares) of a stream."""
    source = ffmpeg.input(url(path), **SAFE_INPUT)[f"a:{stream}"]
    target = source.output("pipe:", format="f32le", ac=channels)
    peaks, powers, size = np.zeros(channels), np.zeros(channels), 4 * channels
    for data in _stream(_command(target), size << 17, path, "sound"):
        block = np.frombuffer(data[: len(data) // size * size], np.float32).reshape(-1, channels)
        peaks = np.maximum(peaks, np.abs(block).max(axis=0, initial=0.0))
        powers += np.square(block, dtype=np.float64).sum(axis=0)
    return peaks, powers


def stretched(samples, tempo, sample_rate_hz=AUDIO_HZ):
    """Return mono samples (n,) played `tempo` times as fast with their pitch kept, float32.

    The result has n / tempo samples (half-up) and starts where the samples start; the stretcher
    moves single sounds by up to about 3 ms. UserError when ffmpeg lacks its filter.
    """
    raw = {"format": "f32le", "ac": 1, "ar": sample_rate_hz}
    # short windows keep sounds in their place; they end a little early, so some silence follows
    source = ffmpeg.input("pipe:", **raw).filter("rubberband", tempo=f"{tempo:.12g}", window="short")
    target = source.output("pipe:", **raw)
    data = np.pad(np.asarray(samples, np.float32), (0, sample_rate_hz // 4)).tobytes()
    try:
        out, _ = _run(_command(target, read_stdin=True), "rubberband", data=data)
    except UserError as error:
        fix = "a track that kept its pitch needs an ffmpeg with librubberband, as Debian's is"
        raise UserError(f"cannot stretch sound ({error.what})", fix=fix) from None
    count = int(np.floor(len(samples) / tempo + 0.5))
    result = np.frombuffer(out, np.float32)[:count]
    return np.pad(result, (0, count - len(result)))


def extract_flac(path, stream, out, sample_rate_hz=AUDIO_HZ):
    """Write one audio stream as mono 16-bit FLAC, sample 0 at picture time 0; the same bytes always.

    Nothing of the sound is held in memory. Channels that cancel each other are treated as by
    `read_audio`. Returns (samples written, decoder's complaints: list of str). `out` should be a
    temporary path of `files.atomic`. UserError when it cannot be read.
    """
    found = _extracted(path, stream, out, sample_rate_hz)
    blocks = () if _is_empty_flac(out) else soundfile.blocks(out, 1 << 18, dtype="float32")
    channel = _uncancelled(path, stream, blocks)
    return found if channel is None else _extracted(path, stream, out, sample_rate_hz, channel)


def _extracted(path, stream, out, sample_rate_hz, channel=None):
    source = _audio_on_picture_time(path, stream, sample_rate_hz, channel)
    exact = {"fflags": "+bitexact", "flags": "+bitexact", "map_metadata": -1, "threads": 1}
    target = source.output(url(out), format="flac", sample_fmt="s16", ac=1, ar=sample_rate_hz, copyts=None, **exact)
    _, error = _run(_command(target), path)
    lines = error.decode(errors="replace").strip().splitlines()
    return flac_samples(out), [line.strip() for line in lines]


def _audio_on_picture_time(path, stream, sample_rate_hz, channel=None):
    """Return the ffmpeg stream of one audio stream, filled or cut so that it starts with the picture.

    channel: number of the only channel that is wanted, else all.
    """
    described = probe(path)
    tracks = [x for x in described["streams"] if x.get("codec_type") == "audio"]
    if stream >= len(tracks):
        what = f"expected audio stream a:{stream}, found {len(tracks)} audio stream(s)"
        raise UserError(what, path, "streams are counted from 0 among the file's audio streams")
    first = round(origin_seconds(described, tracks[stream]) * AUDIO_HZ)
    source = ffmpeg.input(url(path), **SAFE_INPUT)[f"a:{stream}"]
    source = source if channel is None else source.filter("pan", **{"mono|c0": f"c{channel}"})
    placed = source.filter("aresample", AUDIO_HZ, **{"async": 1, "first_pts": first})
    # a second filter, because one that also lowers the rate may miss the start by some milliseconds
    return placed if sample_rate_hz == AUDIO_HZ else placed.filter("aresample", sample_rate_hz)


def picture_stream(described):
    """Return ffprobe's entry of the first moving picture, or None; a cover image is none."""
    for stream in described["streams"]:
        still = stream.get("disposition", {}).get("attached_pic")
        if stream.get("codec_type") == "video" and not still:
            return stream
    return None


def origin_seconds(described, track):
    """Return which moment of an audio track's own time is picture time 0, in seconds.

    It is the start of the picture. Without a picture it is 0 in containers that write time down
    (Matroska, MP4, Ogg), else the track's first sample.
    """
    picture = picture_stream(described)
    if picture:
        return _seconds(picture) - _opus_delay_counted_twice(described, track, _seconds(picture))
    timed = {"matroska", "webm", "mov", "mp4", "ogg"}
    named = set(described["format"].get("format_name", "").split(","))
    return 0.0 if named & timed else _seconds(track)


def _seconds(stream):
    return float(stream.get("start_time", 0.0))


def _opus_delay_counted_twice(described, track, picture_seconds):
    """Return by how many seconds a Matroska file tells an Opus track to start too early.

    Up to version 5 ffmpeg wrote Opus packets without the encoder's delay and declared that delay
    all the same, so that a reader takes it off twice. Such a file is known by its writer's version;
    where that is left out, by a track that starts two delays before the picture.
    """
    matroska = "matroska" in described["format"].get("format_name", "")
    if not matroska or track.get("codec_name") != "opus":
        return 0.0
    writer = str(_tags(described["format"]).get("encoder", ""))
    version = writer.removeprefix("Lavf").split(".")[0]
    if version.isdigit():
        return OPUS_DELAY_SECONDS if int(version) < LAVF_FIXED else 0.0
    early = picture_seconds - _seconds(track)
    return OPUS_DELAY_SECONDS if abs(early - 2 * OPUS_DELAY_SECONDS) < 0.0021 else 0.0


def _tags(entry):
    return {key.lower(): value for key, value in entry.get("tags", {}).items()}


def declared_seconds(described, stream):
    """Return how long a stream says that it lasts, in seconds; None when nothing says so."""
    if "duration" in stream:
        return float(stream["duration"])
    clock = _tags(stream).get("duration", "")
    try:
        hours, minutes, seconds = clock.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds) - max(0.0, _seconds(stream))
    except ValueError:
        return None


def picture_times(path):
    """Return the presentation times of the picture's frames, float64 (frames,), rising, in seconds.

    The file is read but not decoded. Empty when the frames carry no times.
    """
    _exists(path)
    command = ["ffprobe", "-v", "error", "-protocol_whitelist", "file,pipe"]
    command += ["-select_streams", "V:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    out, _ = _run([*command, "-i", url(path)], path)
    words = (line.strip().rstrip(b",") for line in out.split())
    return np.sort(np.array([float(word) for word in words if word[:1].isdigit() or word[:1] == b"-"]))


def read_frames(path, size, frames_per_second=VIDEO_FPS, start_seconds=None, seconds=None):
    """Yield frames (height, width, 3) uint8 RGB on a fixed grid; `size` is (width, height).

    Frame 0 is the first picture; a variable frame rate is brought onto the grid by its times.
    UserError when the picture cannot be decoded or takes longer than six hours.
    """
    _exists(path)
    cut = {"ss": start_seconds, "t": seconds}
    options = {key: value for key, value in cut.items() if value is not None}
    source = ffmpeg.input(url(path), **SAFE_INPUT, **options).video
    source = source.filter("setpts", "PTS-STARTPTS").filter("fps", frames_per_second)
    source = source.filter("scale", *size, flags="bilinear")
    target = source.output("pipe:", format="rawvideo", pix_fmt="rgb24")
    yield from _stream_frames(_command(target), size, path)


def _stream_frames(command, size, path):
    width, height = size
    for data in _stream(command, width * height * 3, path, "picture"):
        if len(data) == width * height * 3:
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)


def _stream(command, block_bytes, path, what):
    """Yield the output of a command in blocks, the last one shorter; it is stopped if left early."""
    # A file takes the complaints: a pipe that nobody reads would fill up and stop ffmpeg.
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        guard = threading.Timer(TIMEOUT_SECONDS, process.kill)
        guard.start()
        try:
            while data := process.stdout.read(block_bytes):
                yield data
            if process.wait(timeout=60):
                errors.seek(0)
                raise UserError(f"cannot decode the {what} ({_last(errors.read())})", path)
        finally:
            guard.cancel()
            process.kill()
            process.stdout.close()
            process.wait()


def encode(path, frames, size, frames_per_second, audio=(), options=None):
    """Write frames (height, width, 3) uint8 and audio tracks as one file, byte-identical each time.

    audio: list of (FLAC or WAV path, dict of ffmpeg options for that stream), mapped in order.
    options: ffmpeg output options on top of H.264 with one thread; the suffix of `path` chooses
    the container. `path` should be a temporary path of `files.atomic`.
    """
    picture = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{size[0]}x{size[1]}", r=frames_per_second)
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
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
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

    data: bytes of a whole media file. Pictures that are neither wanted nor needed for a wanted one are
    not decoded. UserError when it cannot be decoded or is too short.
    """
    import av

    chosen = set(wanted)
    try:
        with av.open(io.BytesIO(data)) as container:
            container.streams.video[0].thread_count = 1
            found = {
                number: frame.to_ndarray(format="rgb24")
                for number, frame in _decoded_frames(container, chosen)
                if number in chosen
            }
    except (av.FFmpegError, IndexError) as error:
        raise UserError(f"cannot decode the picture of a clip ({error})") from None
    if len(found) != len(chosen):
        raise UserError(f"expected {len(chosen)} pictures in a clip, found {len(found)}")
    return np.stack([found[number] for number in wanted])


def _decoded_frames(container, chosen):
    """Yield (number in order of showing, frame) of a container's picture, at least those of `chosen`.

    The packets' time stamps give the numbers, so that a packet can be passed over before it is decoded;
    where they are missing or not distinct, all are decoded and counted.
    """
    stream = container.streams.video[0]
    packets = list(container.demux(stream))
    times = [packet.pts for packet in packets if packet.size and not packet.is_discard]
    if None in times or len(set(times)) < len(times):
        yield from enumerate(frame for packet in packets for frame in packet.decode())
        return
    numbers = {time: number for number, time in enumerate(sorted(times))}
    for packet in packets:
        needed = not packet.size or numbers.get(packet.pts) in chosen
        stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
        for frame in packet.decode():
            yield numbers.get(frame.pts), frame


def write_flac(path, samples, sample_rate_hz=AUDIO_HZ, container="FLAC"):
    """Write float samples in [-1, 1] as 16-bit FLAC or WAV, atomically; returns how many were clipped."""
    samples = np.asarray(samples)
    if not np.isfinite(samples).all():
        raise UserError("expected finite samples, found NaN or infinity", path)
    with atomic(path) as temporary:
        return _write_flac(temporary, samples, sample_rate_hz, container)


def write_empty_flac(path, sample_rate_hz=AUDIO_HZ):
    """Write a FLAC of no samples, atomically: what stands for a track that was dropped.

    libsndfile can neither write nor read one, so `read_flac` and `flac_samples` know it by itself.
    """
    described = (sample_rate_hz << 44 | 15 << 36).to_bytes(8, "big")
    blocks = bytes([0x10, 0, 0x10, 0]) + bytes(6)
    with atomic(path) as temporary:
        temporary.write_bytes(b"fLaC" + bytes([0x80, 0, 0, 34]) + blocks + described + hashlib.md5(b"").digest())


def _is_empty_flac(path):
    return Path(path).stat().st_size == EMPTY_FLAC_BYTES


def flac_bytes(samples, sample_rate_hz=AUDIO_HZ):
    """Return (16-bit FLAC as bytes, how many samples were clipped) of float samples in [-1, 1]."""
    target = io.BytesIO()
    clipped = _write_flac(target, np.asarray(samples), sample_rate_hz)
    return target.getvalue(), clipped


def _write_flac(target, samples, sample_rate_hz, container="FLAC"):
    clipped = int((np.abs(samples) > 1).sum())
    whole = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype(np.int16)
    soundfile.write(target, whole, sample_rate_hz, format=container, subtype="PCM_16")
    return clipped


def read_flac(path, start=0, frames=-1):
    """Return (samples float32 (n,) in [-1, 1], sample rate in Hz) of a FLAC or WAV file."""
    _exists(path)
    if _is_empty_flac(path):
        return np.zeros(0, np.float32), AUDIO_HZ
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
    if _is_empty_flac(path):
        return 0
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


def _run(command, path, data=None):
    """Return (stdout, stderr) of a command that must succeed; UserError names the file.

    data: bytes for its standard input, which is closed otherwise.
    """
    given = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_SECONDS, **given)
    except subprocess.TimeoutExpired:
        raise UserError(f"{command[0]} did not finish in {TIMEOUT_SECONDS} s", path) from None
    except FileNotFoundError:
        fix = "install ffmpeg (Debian: apt-get install ffmpeg)"
        raise UserError(f"{command[0]} is not installed", fix=fix) from None
    if done.returncode:
        raise UserError(f"cannot read media ({_last(done.stderr)})", path)
    return done.stdout, done.stderr


def _last(error):
    lines = error.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"
