"""What takes long to work out and seldom changes, kept in a file under a fingerprint of its causes."""

import contextlib
import hashlib
import json
from pathlib import Path

from soundstage.files import atomic


def fingerprint(paths, *texts):
    """Return 64 hex digits for the names and bytes of files, and for strings; a missing file counts as such."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        except OSError:
            content = "missing"
        digest.update(f"{path}\0{content}\0".encode())
    for text in texts:
        digest.update(f"{text}\0".encode())
    return digest.hexdigest()


def remembered(path, key, make):
    """Return make(), a JSON value, or what the file `path` holds of it from a call with the same key.

    The file is only a help: one that cannot be read is made anew, one that cannot be written is done
    without. Errors of make() pass, and nothing is remembered of them.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if found["key"] == key:
            return found["value"]
    value = make()
    with contextlib.suppress(OSError), atomic(path) as temporary:
        temporary.write_text(json.dumps({"key": key, "value": value}), encoding="utf-8")
    return value
