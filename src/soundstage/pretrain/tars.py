"""WebDataset tars as lists of samples: headers are read once, content only when it is asked for.

The headers are walked here, because Python's tarfile takes a damaged header, zeros, and a file that is
cut off between two members for the end of a whole archive, and needs four times as long for the others.
"""

import json
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

BLOCK = 512  # bytes; headers and contents begin at multiples of it
PADDING_BYTES = 2 * BLOCK + tarfile.RECORDSIZE  # most zeros at the end: two blocks, then up to a record
LARGEST_NAME_BYTES = 1 << 20  # of a long name's member
REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
LONG_NAMES = (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME)  # what they hold tells of the next member
PASSED_OVER = (tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK)


@dataclass(frozen=True)
class Sample:
    """One sample: where each of its members lies in the tar."""

    path: str
    key: str  # name up to the first dot, unique in the tar
    members: dict  # rest of the name -> (offset, bytes)

    def read(self, member):
        """Return the bytes of a member; KeyError when there is none, ValueError when it is cut off."""
        offset, size = self.members[member]
        with open(self.path, "rb", buffering=0) as file:
            data = os.pread(file.fileno(), size, offset)
        if len(data) != size:
            raise ValueError(f"expected {size} bytes of {member}, found {len(data)}")
        return data

    def about(self):
        """Return the object in the `json` member."""
        return json.loads(self.read("json"))


class Loss(NamedTuple):
    """What is wrong with a tar, and how many clips that costs; as a text it is the first."""

    reason: str
    clips: int

    def __str__(self):
        return self.reason


class Damage(Exception):
    """Where and how a tar is damaged; `left`: bytes behind that place, 0 where the file was cut off."""

    def __init__(self, what, place, left=0):
        super().__init__(f"{what} at byte {place}")
        self.place, self.left = place, left


def listing(path, most=None):
    """Return (samples in order, None or the `Loss`) of a tar; OSError when it cannot be read.

    Members of a sample need not be neighbours. What is cut off at the end of the file is left out.
    The clips lost are those that the shard's index counts besides, without one an estimate.
    most: stop after so many samples, whose members must then be neighbours; nothing is compared.
    """
    found, damage = {}, None
    try:
        for name, offset, size in _files(path):
            key, member = split_name(name)
            if most is not None and key not in found and len(found) == most:
                break
            found.setdefault(key, {})[member] = (offset, size)
    except Damage as error:
        damage = error
    samples = [Sample(str(path), key, members) for key, members in found.items()]
    return samples, None if most is not None else _loss(path, len(samples), damage)


def unread(path, error):
    """Return the `Loss` of a tar that an OSError keeps from being read: all its clips."""
    told = told_clips(path)
    counted = "at least 1 clip" if told is None else f"the {_clips(told)} in its index"
    return Loss(f"the shard cannot be read ({error.strerror or error}), which loses {counted}", max(1, told or 0))


def told_clips(path):
    """Return how many clips the index of stage shards counts in a tar, or None where there is no such index."""
    path = Path(path)
    try:
        index = json.loads(path.with_name(f"{path.stem.rpartition('-')[0]}.json").read_text())
        return next(int(part["clips"]) for part in index["parts"] if part["file"] == path.name)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


def split_name(name):
    """Return (key, member) of a file's name: cut at the first dot behind the last slash."""
    folder, slash, base = name.rpartition("/")
    stem, _, member = base.partition(".")
    return folder + slash + stem, member


def _loss(path, found, damage):
    """Return the `Loss` of a tar with `found` samples and a `Damage` or None; None when nothing is lost."""
    told = told_clips(path)
    if told is not None and told > found:
        what = f"the shard is damaged: {damage}" if damage else "the shard is not the one that its index counts"
        return Loss(f"{what}, which loses {told - found} of the {_clips(told)} in its index", told - found)
    if damage is None:
        return None
    if told is not None:
        return Loss(f"the shard is damaged: {damage}, behind the start of its last clip", 0)
    # nobody knows what a file that was cut off held; what lies behind a damaged header was as large as the rest
    estimate = round(damage.left * found / damage.place) if found else 0
    about = f"about {_clips(estimate)}" if estimate else "at least 1 clip"
    return Loss(f"the shard is damaged: {damage}, which loses {about} (it has no index to count)", max(1, estimate))


def _clips(number):
    return f"{number} clip" if number == 1 else f"{number} clips"


def _files(path):
    """Yield (name, offset, bytes) of the regular files in a tar; Damage where it is not whole."""
    with open(path, "rb", buffering=0) as file:
        number, place, told = file.fileno(), 0, {}
        end = os.fstat(number).st_size
        while any(block := os.pread(number, BLOCK, place)):
            name, size, kind = _header(block, place, end)
            name, size, offset = told.get("path", name), int(told.get("size", size)), place + BLOCK
            if offset + size > end:
                raise Damage("unexpected end of data", place)
            if kind in LONG_NAMES:
                told |= _long_name(kind, os.pread(number, min(size, LARGEST_NAME_BYTES), offset), place, end)
            elif kind not in PASSED_OVER:
                if kind in REGULAR:
                    yield name, offset, size
                told = {}
            place = offset + -(-size // BLOCK) * BLOCK
    if not block:
        raise Damage("unexpected end of data, without an archive's last blocks,", place)
    if end - place > PADDING_BYTES:
        raise Damage("zeros", place, end - place)


def _header(block, place, end):
    """Return (name, bytes, kind) of a member's header; Damage for what is none."""
    if len(block) < BLOCK:
        raise Damage("unexpected end of data, in a header,", place)
    told, size = block[148:154], block[124:135]
    # the form in which nearly all headers are written, read in a fifth of tarfile's time
    if block[156] == 48 and not block[345] and told.isdigit() and size.isdigit():
        if int(told, 8) == sum(block) - sum(block[148:156]) + 8 * 32:
            return block[:100].partition(b"\0")[0].decode("utf-8", "surrogateescape"), int(size, 8), b"0"
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        raise Damage("a damaged header", place, end - place) from None
    return info.name, info.size, info.type


def _long_name(kind, data, place, end):
    """Return what the member at `place` says of the next one: {"path": name}, and its "size" where told."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return {"path": data.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
    records = {}
    while data:  # "30 path=film-003-000000.en.flac\n": the length is that of the whole record
        length = data.partition(b" ")[0]
        if not length.isdigit() or int(length) <= len(length):
            raise Damage("a damaged long name", place, end - place)
        record, data = data[len(length) + 1 : int(length) - 1], data[int(length) :]
        name, _, value = record.decode("utf-8", "surrogateescape").partition("=")
        if name == "path" or name == "size" and value.isdigit():
            records[name] = value
    return records
