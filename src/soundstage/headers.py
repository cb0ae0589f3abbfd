"""How long a media file says that it is, read from its own header where ffprobe goes by what is left of it.

Of a WAV, W64, CAF, AVI or ASF that was cut ffprobe takes the length from the size of the file, so that
it would pass for whole. Pure reading: files in, seconds out.
"""

import struct
from fractions import Fraction

ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_HEAD_BYTES = 1 << 16
ASF_BROADCAST = 1
UNKNOWN_BYTES = 0xFFFFFFFF  # a writer that could not seek back leaves 0 or the highest number


def correct(path, described):
    """Put what a file's header says of its length into ffprobe's description of it, in place."""
    reader = READERS.get(described["format"].get("format_name"))
    if reader:
        with open(path, "rb") as file:
            reader(file, described)


def _set(entry, seconds):
    """Give a stream or the format a length in seconds; None takes it away."""
    entry.pop("duration", None)
    if seconds is not None:
        entry["duration"] = f"{float(seconds):.6f}"


def _wav(file, described):
    seconds = _wav_seconds(file)
    if seconds:
        _set(described["streams"][0], seconds)
        _set(described["format"], seconds)


def _wav_seconds(file):
    """Return how long the sound of a WAV is, in seconds; None when it does not say."""
    file.seek(12)
    bytes_per_second = 0
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            return size / bytes_per_second if bytes_per_second and 0 < size < UNKNOWN_BYTES else None
        if name == b"fmt ":
            bytes_per_second = struct.unpack("<8xI", file.read(12))[0]
            file.seek(-12, 1)
        file.seek(size + size % 2, 1)
    return None


def _w64(file, described):
    _lengthen(described, *_chunk(file, 40, "<16sQ", 24, 8))


def _caf(file, described):
    _lengthen(described, *_chunk(file, 8, ">4sq", 0, 1))


def _chunk(file, first, head, counted, even):
    """Return (bytes that the chunk of samples should have, bytes that there are); (0, 0) without one.

    first: where chunks begin; head: of struct, name and size; counted: bytes of the head that the size
    includes; even: chunks begin at multiples of so many bytes.
    """
    length = struct.calcsize(head)
    end = file.seek(0, 2)
    file.seek(first)
    while len(read := file.read(length)) == length:
        name, size = struct.unpack(head, read)
        size -= counted
        if size < 0:
            return 0, 0
        if name[:4] == b"data":
            return size, end - file.tell()
        file.seek(size + -size % even, 1)
    return 0, 0


def _lengthen(described, wanted, present):
    """Set the lengths of PCM sound that lacks bytes to those of the bytes wanted; a packed codec's rate varies."""
    stream = described["streams"][0]
    if wanted > present and stream.get("codec_name", "").startswith("pcm_"):
        for entry in (described["format"], stream):
            _set(entry, 8 * wanted / int(stream["bit_rate"]))


def _avi(file, described):
    """Set the lengths of an AVI's streams by its header where it was cut.

    A whole file's sound is not held to any: a gap before it counts there as sound, which no reader
    gives back.
    """
    whole = _riffs_are_whole(file)
    for stream in described["streams"]:
        if not whole and "nb_frames" in stream:
            _set(stream, int(stream["nb_frames"]) * Fraction(stream["time_base"]))
        elif whole and stream.get("codec_type") == "audio":
            _set(stream, None)
    known = [float(stream["duration"]) for stream in described["streams"] if "duration" in stream]
    _set(described["format"], max(known, default=None))


def _riffs_are_whole(file):
    """Return whether a file has all bytes of the RIFF chunks that it is made of, one or, above 1 GB, several."""
    end, at = file.seek(0, 2), 0
    while at + 8 <= end:
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF":
            return at > 0
        if not 0 < size < UNKNOWN_BYTES:
            return True
        at += 8 + size
    return at <= end + 1  # the last byte may be left out that makes a chunk even


def _asf(file, described):
    """Set the length of a WMA or WMV by its header, which speaks of the longest stream, not of each."""
    head = file.read(ASF_HEAD_BYTES)
    at = head.find(ASF_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return
    ticks, preroll_ms, flags = struct.unpack_from("<Q8xQI", head, at + 64)
    if ticks and not flags & ASF_BROADCAST:
        for stream in described["streams"]:
            _set(stream, None)
        _set(described["format"], ticks / 1e7 - preroll_ms / 1000)


READERS = {"wav": _wav, "w64": _w64, "caf": _caf, "avi": _avi, "asf": _asf}
