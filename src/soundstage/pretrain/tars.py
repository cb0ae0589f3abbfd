"""WebDataset tars as lists of samples: headers are read once, content only when it is asked for."""

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One sample: where each of its members lies in the tar."""

    path: str
    key: str  # name up to the first dot, unique in the tar
    members: dict  # rest of the name -> (offset, bytes)

    def read(self, member):
        """Return the bytes of a member; KeyError when there is none, ValueError when it is cut off."""
        offset, size = self.members[member]
        with open(self.path, "rb") as file:
            file.seek(offset)
            data = file.read(size)
        if len(data) != size:
            raise ValueError(f"expected {size} bytes of {member}, found {len(data)}")
        return data

    def about(self):
        """Return the object in the `json` member."""
        return json.loads(self.read("json"))


def listing(path, most=None):
    """Return (samples in order, None or why the tar ends early).

    Members of a sample need not be neighbours. What is cut off at the end of the file is left out.
    most: stop after so many samples, whose members must then be neighbours.
    """
    found, reason, end = {}, None, Path(path).stat().st_size
    try:
        with tarfile.open(path, "r:") as tar:
            for header in tar:
                if not header.isfile():
                    continue
                if header.offset_data + header.size > end:
                    raise tarfile.ReadError("unexpected end of data")
                key, member = split_name(header.name)
                if most is not None and key not in found and len(found) == most:
                    break
                found.setdefault(key, {})[member] = (header.offset_data, header.size)
    except (tarfile.TarError, EOFError) as error:
        reason = str(error)
    return [Sample(str(path), key, members) for key, members in found.items()], reason


def split_name(name):
    """Return (key, member) of a file's name: cut at the first dot behind the last slash."""
    folder, slash, base = name.rpartition("/")
    stem, _, member = base.partition(".")
    return folder + slash + stem, member
