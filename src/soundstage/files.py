"""Files that appear whole or not at all, and their hashes."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path

from soundstage.errors import UserError


@contextlib.contextmanager
def atomic(path):
    """Yield a temporary path beside `path` (same suffix), renamed onto it on success.

    On any failure the temporary file or folder is removed and `path` is left as it was. A full
    disk is reported as a UserError that names the file. Where the environment names a scratch folder
    in SOUNDSTAGE_SCRATCH, as the workflow does in jobs of a cluster, the temporary path is there, on the
    node's own disk, and what was written is moved once, when it is whole.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    scratch = os.environ.get("SOUNDSTAGE_SCRATCH")
    temporary = Path(scratch, beside.name) if scratch else beside
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary != beside:
            shutil.move(temporary, beside)
        _flush(beside)
        os.replace(beside, path)
    except OSError as error:
        _remove(temporary)
        _remove(beside)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError("no space left on the disk", path, "free space and run again") from None
        raise
    except BaseException:
        _remove(temporary)
        _remove(beside)
        raise


def _flush(path):
    """Ask the kernel to put a finished file on the disk before it gets its name."""
    if path.is_file():
        with open(path, "rb+") as stream:
            os.fsync(stream.fileno())


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sha256(path):
    """Return the SHA-256 of a file as a hexadecimal string."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_json(path):
    """Return the object in a JSON file; UserError when it is missing or not JSON."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError:
        raise UserError("expected a JSON file, found nothing", path) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"expected JSON, found something else ({error})", path) from None


def write_json(path, value):
    """Write an object as indented JSON with sorted keys, whole or not at all; NaN is an error."""
    try:
        text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    except ValueError as error:
        raise UserError(f"a value to be written is not finite ({error})", path) from None
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_text(path, text):
    """Write a UTF-8 text file, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
