"""Write one film's clips, with every language, as WebDataset tars; the same bytes each time.

    python -m soundstage.shards.write --film film-003 --picture FILM.mkv \\
        --clips work/clips/film-003/clips.parquet --original en \\
        --audio en=work/films/film-003/audio/en.flac fr=work/films/film-003/audio/fr.flac \\
        --nospeech en=work/nospeech/film-003/en.flac --split train \\
        --out-prefix work/shards/film-003 --index work/shards/film-003.json

Makes {out-prefix}-{part}.tar for every part and the index. A sample's key is {film}-{clip:06d}; its
members are the picture (mp4, or 000.jpg ...), one FLAC per language on the picture's timeline
(en.flac), those without speech (en.nospeech.flac), and json. The picture is decoded once.
"""

import contextlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np

from soundstage.align.stretch import PAD_SECONDS, cut_kept
from soundstage.align.timeline import HALF_TAPS, covers, cut, track_seconds
from soundstage.cli import add_settings, parser, progress, run
from soundstage.errors import UserError
from soundstage.files import atomic, sha256, write_json
from soundstage.media import (
    encode_clip,
    flac_bytes,
    flac_samples,
    probe,
    read_flac,
    read_frames,
)
from soundstage.shards.plan import (
    check_film,
    description,
    frame_range,
    named_files,
    part_of,
    picture_size,
    sample_key,
    take_windows,
)
from soundstage.shards.settings import Settings
from soundstage.units import AUDIO_HZ, seconds_to_samples


def main():
    """Read the command line and write one film's shards."""
    arguments = parser(__doc__)
    arguments.add_argument("--film", required=True, help="the film's id")
    arguments.add_argument("--picture", required=True, help="file with the film's picture")
    arguments.add_argument("--clips", required=True, help="clips.parquet of the film")
    arguments.add_argument("--original", required=True, help="the film's original language")
    arguments.add_argument("--audio", nargs="+", required=True, metavar="LANG=FLAC", help="tracks")
    arguments.add_argument("--nospeech", nargs="*", default=[], metavar="LANG=FLAC", help="tracks without speech")
    arguments.add_argument("--split", required=True, choices=("train", "valid", "test"))
    arguments.add_argument("--out-prefix", required=True, help="path and name of the tars")
    arguments.add_argument("--index", required=True, help="JSON file to be written")
    add_settings(arguments, Settings)
    write_film(arguments.parse_args())


def write_film(options):
    """Write the tars and the index of one film; `options` are the command line's."""
    check_film(options.film)
    tracks = {
        "": named_files(options.audio, "--audio"),
        ".nospeech": named_files(options.nospeech, "--nospeech"),
    }
    if options.original not in tracks[""]:
        raise UserError(f"no track of the original language {options.original!r}", "--audio")
    rows, dropped = read_clips(options.clips)
    count = Counts(len(rows), dropped)
    paths = [f"{options.out_prefix}-{part}.tar" for part in range(options.settings.parts_per_film)]
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(atomic(path)) for path in paths]
        with contextlib.ExitStack() as open_tars:
            tars = [open_tars.enter_context(_open_tar(file)) for file in files]
            for clip, sample in samples(rows, tracks, options, count):
                part = part_of(clip, len(tars))
                _add(tars[part], sample_key(options.film, clip), sample)
                count.part[part] = count.part.get(part, 0) + 1
    write_json(options.index, count.index(options, paths))


def read_clips(path):
    """Return (kept rows as dicts in clip order, {reason: dropped windows}) of a clips table."""
    import pandas

    try:
        table = pandas.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the clips table ({error})", path) from None
    dropped = table[~table["kept"]].groupby("reason").size()
    kept = table[table["kept"]].sort_values("clip", kind="stable")
    return kept.to_dict("records"), {str(k): int(v) for k, v in sorted(dropped.items())}


class Counts:
    """What went into the shards and what was left out, by reason."""

    def __init__(self, wanted, dropped):
        self.left, self.dropped = wanted, dict(dropped)
        self.part, self.languages, self.languages_dropped = {}, {}, {}
        self.with_dub = self.clipped_samples = 0

    def drop(self, reason, clips=1):
        """Count clips that are left out of the shards."""
        if clips:
            self.dropped[reason] = self.dropped.get(reason, 0) + clips

    def drop_language(self, language):
        """Count a clip that does without one of its languages."""
        self.languages_dropped[language] = self.languages_dropped.get(language, 0) + 1

    def keep(self, languages, clipped_samples):
        """Count a clip that goes into the shards."""
        self.with_dub += len(languages) > 1
        self.clipped_samples += clipped_samples
        for language in languages:
            self.languages[language] = self.languages.get(language, 0) + 1

    def index(self, options, paths):
        """Return the index of a film's shards."""
        parts = [
            {
                "file": Path(path).name,
                "clips": self.part.get(number, 0),
                "bytes": Path(path).stat().st_size,
                "sha256": sha256(path),
            }
            for number, path in enumerate(paths)
        ]
        return {
            "film": options.film,
            "split": options.split,
            "original_language": options.original,
            "clips": sum(part["clips"] for part in parts),
            "clips_with_dub": self.with_dub,
            "bytes": sum(part["bytes"] for part in parts),
            "languages": self.languages,
            "languages_dropped": self.languages_dropped,
            "dropped": self.dropped,
            "clipped_samples": self.clipped_samples,
            "parts": parts,
        }


def samples(rows, tracks, options, count):
    """Yield (clip number, {member: bytes}) of every clip, in one pass over the picture."""
    if not rows:
        return
    settings = options.settings
    picture = next((s for s in probe(options.picture)["streams"] if s["codec_type"] == "video"), None)
    if picture is None:
        raise UserError("expected a picture, found none", options.picture)
    size = picture_size(picture, settings.short_side_pixels)
    ranges = [frame_range(row["start_seconds"], row["end_seconds"]) for row in rows]
    windows = take_windows(read_frames(options.picture, size), ranges)
    seen = 0
    for number, frames in progress(windows, len(rows), f"{options.film}: shards", "clips"):
        seen += 1
        sample = sound_members(rows[number], tracks, options, count)
        if sample is not None:
            yield int(rows[number]["clip"]), {**picture_members(frames, settings), **sample}
    count.drop("the picture ends before the clip does", len(rows) - seen)


def picture_members(frames, settings):
    """Return the picture's members of a sample: {"mp4": bytes} or {"000.jpg": bytes, ...}."""
    if settings.picture == "mp4":
        return {"mp4": encode_clip(frames, crf=settings.h264_crf, preset=settings.h264_preset)}
    return {f"{n:03d}.jpg": _jpeg(frame, settings.jpeg_quality) for n, frame in enumerate(frames)}


def _jpeg(frame, quality):
    import cv2

    return cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def sound_members(row, tracks, options, count):
    """Return the sound's members and `json` of a sample; None (counted) without the original.

    A language whose track does not reach the whole window is left out of the clip, and counted.
    """
    members, languages, clipped_samples = {}, [], 0
    places = zip(row["languages"], row["offset_seconds"], row["rate"], row["pitch_corrected"], strict=True)
    for language, *place in sorted(places):
        if language not in tracks[""]:
            raise UserError(f"the clips need language {language!r}", "--audio")
        files = {f"{language}{kind}.flac": of[language] for kind, of in tracks.items() if language in of}
        sounds = {name: cut_file(path, row, *place) for name, path in files.items()}
        if any(sound is None for sound in sounds.values()):
            count.drop_language(language)
            continue
        languages.append(language)
        for name, sound in sounds.items():
            members[name], clipped = flac_bytes(sound)
            clipped_samples += clipped
    if options.original not in languages:
        count.drop("the original's sound ends before the clip does")
        return None
    count.keep(languages, clipped_samples)
    about = description(row, options.film, options.split, options.original, languages)
    return {**members, "json": json.dumps(about, sort_keys=True).encode()}


def cut_file(path, row, offset_seconds, rate, pitch_corrected=False):
    """Return the clip's window as it sounds in a track, float32; None where the track is too short.

    Reads only the part of the file that the window needs. A track that kept its pitch when it was
    sped up is stretched back; any other is resampled once.
    """
    seconds = row["end_seconds"] - row["start_seconds"]
    total = flac_samples(path)
    if not covers(total, row["start_seconds"], seconds, offset_seconds, rate):
        return None
    first = track_seconds(row["start_seconds"], offset_seconds, rate) * AUDIO_HZ
    spare = seconds_to_samples(PAD_SECONDS) if pitch_corrected else 2 * HALF_TAPS
    low = max(0, int(np.floor(first)) - spare)
    high = min(total, int(np.ceil(first + rate * seconds * AUDIO_HZ)) + spare)
    piece, sample_rate_hz = read_flac(path, low, high - low)
    if sample_rate_hz != AUDIO_HZ:
        raise UserError(f"expected {AUDIO_HZ} Hz, found {sample_rate_hz} Hz", path)
    put = cut_kept if pitch_corrected else cut
    return put(piece, row["start_seconds"], seconds, offset_seconds - low / AUDIO_HZ, rate)


def _open_tar(path):
    return tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)


def _add(tar, key, sample):
    """Append a sample with nothing in the headers that depends on when or by whom it is written."""
    for name in sorted(sample):
        header = tarfile.TarInfo(f"{key}.{name}")
        header.size, header.mode = len(sample[name]), 0o644
        tar.addfile(header, io.BytesIO(sample[name]))


if __name__ == "__main__":
    run(main)
