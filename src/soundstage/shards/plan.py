"""What goes into which shard under which name; pure functions."""

import math
import re
from fractions import Fraction

from soundstage.errors import UserError
from soundstage.units import seconds_to_frames

LANGUAGE = re.compile(r"[a-z0-9-]+\Z")
FILM = re.compile(r"[a-z0-9-]+\Z")


def named_files(pairs, flag):
    """Return {language: path} of a list of `LANG=FILE`; UserError for what is not one."""
    result = {}
    for pair in pairs:
        language, separator, path = pair.partition("=")
        if not separator or not path or not LANGUAGE.match(language):
            raise UserError(
                f"expected LANGUAGE=FILE, found {pair!r}",
                flag,
                "for example en=work/films/x/audio/en.flac",
            )
        if language in result:
            raise UserError(f"language {language!r} is given twice", flag)
        result[language] = path
    return result


def check_film(film):
    """Raise a UserError for a film id that cannot be the first part of a sample's key."""
    if not FILM.match(film):
        raise UserError(
            f"expected letters a to z, digits and hyphens, found {film!r}",
            "--film",
            "a dot or a space in a film id would break the sample's key",
        )


def sample_key(film, clip):
    """Return the key of a clip's sample, `{film}-{clip:06d}`."""
    return f"{film}-{clip:06d}"


def part_of(clip, parts):
    """Return the part that clip number `clip` goes into, whatever other clips there are."""
    return clip % parts


def frame_range(start_seconds, end_seconds):
    """Return (first, last + 1) of the 25 fps pictures of a window; its length is exact."""
    first = seconds_to_frames(start_seconds)
    return first, first + seconds_to_frames(end_seconds - start_seconds)


def picture_size(stream, short_side):
    """Return (width, height), both even, of a picture with its shorter side at `short_side`.

    stream: ffprobe's description of the video stream; pixels that are not square are made square.
    """
    width, height = Fraction(stream["width"]), Fraction(stream["height"])
    numerator, _, denominator = stream.get("sample_aspect_ratio", "1:1").partition(":")
    if int(numerator) > 0 and int(denominator or 0) > 0:
        width *= Fraction(int(numerator), int(denominator))
    scale = short_side / min(width, height)
    return tuple(max(2, 2 * round(side * scale / 2)) for side in (width, height))


def take_windows(frames, ranges):
    """Yield (number of the window, list of its frames), holding only the frames of open windows.

    frames: iterable of pictures from frame 0 on; ranges: list of (first, last + 1). Windows whose
    end the picture does not reach are not yielded. Order: by end, then by number.
    """
    order = sorted(range(len(ranges)), key=lambda number: (ranges[number][1], number))
    needed_from = _suffix_minimum([ranges[number][0] for number in order])
    held, oldest, done = {}, 0, 0
    for index, frame in enumerate(frames):
        if done == len(order):
            return
        held[index] = frame
        while done < len(order) and ranges[order[done]][1] == index + 1:
            number = order[done]
            yield number, [held[i] for i in range(*ranges[number])]
            done += 1
        while oldest <= index and (done == len(order) or oldest < needed_from[done]):
            del held[oldest]
            oldest += 1


def _suffix_minimum(values):
    """Return for every position the smallest value from there to the end."""
    result = list(values)
    for position in range(len(result) - 2, -1, -1):
        result[position] = min(result[position], result[position + 1])
    return result


def description(row, film, split, original, languages):
    """Return the `json` member of a sample: what is known of the clip; null for what is not."""
    confidence = float(row["confidence"])
    return {
        "film": film,
        "split": split,
        "clip": int(row["clip"]),
        "shot": int(row["shot"]),
        "start_seconds": float(row["start_seconds"]),
        "end_seconds": float(row["end_seconds"]),
        "original_language": original,
        "languages": languages,
        "has_dub": languages != [original],
        "speech_fraction": float(row["speech_fraction"]),
        "confidence": confidence if math.isfinite(confidence) else None,
    }
