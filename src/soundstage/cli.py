"""What every command line shares: flags, settings, one-screen errors and progress."""

import argparse
import sys
import time
from pathlib import Path

from soundstage.errors import UserError
from soundstage.settings import load


def parser(doc):
    """Return an argument parser whose help is the module's docstring.

    An argument @FILE stands for the lines of FILE, an argument each: for lists too long to be typed.
    """
    return argparse.ArgumentParser(
        description=doc,
        epilog="@FILE stands for the lines of FILE, an argument each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        fromfile_prefix_chars="@",
        allow_abbrev=False,
    )


def add_settings(arguments, cls):
    """Add `--settings JSON_OR_FILE`; `parse_args` then returns the dataclass `cls` filled in."""
    arguments.add_argument(
        "--settings",
        metavar="JSON_OR_FILE",
        type=_reader(cls),
        default=cls(),
        help=f"settings as JSON or a JSON file; see {cls.__module__} (default: its defaults)",
    )


def _reader(cls):
    def read(text):
        return load(cls, text)

    return read


def output(*suffixes):
    """Return an argument's type: the name of a file that can be written, ending in one of the suffixes, if any.

    UserError before the work starts, not after it.
    """

    def check(text):
        path = Path(text)
        if path.is_dir():
            raise UserError("expected the name of a file to write, found a folder", path)
        stranger = next((folder for folder in path.parents if folder.exists() and not folder.is_dir()), None)
        if stranger:
            raise UserError("expected a folder to write into, found a file", stranger)
        if suffixes and path.suffix.lower() not in suffixes:
            raise UserError(f"expected a name that ends in {' or '.join(suffixes)}", path)
        return text

    return check


def run(main):
    """Call `main()` as a program: UserError -> stderr and exit 2; an interrupt -> exit 130."""
    try:
        status = main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:
        raise SystemExit(141) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    raise SystemExit(status or 0)


def say(text):
    """Print one line for the person who watches, on stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def progress(items, total, label, unit="", amount=None, every_seconds=5.0):
    """Yield `items`, saying every few seconds how much of `total` is done and how long is left.

    amount(item) is what an item counts for (default 1), in `unit`s.
    """
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1 if amount is None else amount(item)
        now = time.monotonic()
        if now - last >= every_seconds:
            left = (now - start) / max(done, 1e-9) * (total - done)
            say(f"{label}: {done:.0f} of {total:.0f} {unit}, about {left:.0f} s left")
            last = now
    say(f"{label}: {done:.0f} {unit} in {time.monotonic() - start:.1f} s")
