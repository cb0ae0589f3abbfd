"""Score the segments of a shard of videos with a visual and an auditory teacher.

    python -m soundstage.teachers.harvest --annotations ../shared/llp --videos media/ --shard 0 --shards 8 \\
        --visual clip=openai/clip-vit-large-patch14 --audio clap=models/clap-fused --out shard-0.parquet

A teacher is KIND=FOLDER_OR_HUB_NAME. Shard n holds the videos n, n + shards, ... of train, val and
test together. The Parquet file has a line per video, modality and segment: filename, modality,
segment, seconds (when it was taken), scores (a number per class) and embedding (unit length). Beside
it a .json of the same name says of each video whether it was missing, unreadable, silent, short.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import atomic, write_json
from soundstage.parse import annotations
from soundstage.parse.classes import MODALITIES, SECONDS
from soundstage.teachers import prompts, videos
from soundstage.teachers.clap import Clap
from soundstage.teachers.clip import Clip
from soundstage.teachers.settings import Settings

# A teacher of another kind is one file with a class of these five: modality, scale, embed_captions,
# embed_segments, and for sound sample_rate_hz; and a name here.
KINDS = {"clip": Clip, "clap": Clap}
SAMPLE_RATE_HZ = 48000  # of the sound, where no auditory teacher asks for another

SCHEMA = pyarrow.schema(
    {
        "filename": pyarrow.string(),
        "modality": pyarrow.string(),
        "segment": pyarrow.int8(),
        "seconds": pyarrow.float32(),
        "scores": pyarrow.list_(pyarrow.float32()),
        "embedding": pyarrow.list_(pyarrow.float32()),
    }
)


def main():
    """Read the flags, score one shard, write."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="folder with LLP's AVVP_*.csv or AVE's files")
    parser.add_argument("--videos", required=True, help="folder of media files, named by video or by its id")
    for modality in MODALITIES:
        parser.add_argument(f"--{modality}", metavar="KIND=MODEL", help=f"{modality} teacher")
    parser.add_argument("--prompts", help="JSON of captions and thresholds (default: the package's own)")
    parser.add_argument("--shard", type=int, default=0, help="number of the shard, from 0")
    parser.add_argument("--shards", type=int, default=1, help="how many shards there are")
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")
    cli.add_settings(parser, Settings)
    options = parser.parse_args()
    classes = annotations.classes_of(options.annotations)
    asked = prompts.read(options.prompts or prompts.default(classes), classes)
    teachers = [load(getattr(options, key), key, options.settings) for key in MODALITIES if getattr(options, key)]
    if not teachers:
        raise UserError("expected --audio or --visual, or both")
    names = shard_of(options.annotations, options.shard, options.shards)
    said, table = harvest(names, options.videos, teachers, asked, options.settings)
    report(said)
    with atomic(options.out) as temporary:
        pyarrow.parquet.write_table(table, temporary, compression="zstd")
    write_json(options.out.with_suffix(".json"), said)


def load(text, modality, settings):
    """Return the teacher that KIND=MODEL names; UserError when its kind or modality is wrong."""
    kind, _, source = text.partition("=")
    if kind not in KINDS or not source:
        raise UserError(f"expected KIND=MODEL, found {text!r}", fix=f"kinds: {', '.join(KINDS)}")
    if KINDS[kind].modality != modality:
        raise UserError(f"{kind} is no {modality} teacher", text)
    return KINDS[kind](source, settings)


def shard_of(folder, shard, shards):
    """Return the names of the videos of a shard, of all splits whose file is in the folder."""
    if annotations.is_ave(folder):
        splits = annotations.WEAK_FILES
    else:
        splits = [key for key, name in annotations.WEAK_FILES.items() if Path(folder, name).is_file()]
    return [name for split in splits for name in annotations.names(folder, split)][shard::shards]


def harvest(names, folder, teachers, asked, settings):
    """Return (what is to be said of each video, `pyarrow.Table` of `SCHEMA`).

    Videos are decoded while others are embedded, several at a time; no score depends on which.
    """
    captions = {teacher.modality: teacher.embed_captions(asked.prompts[teacher.modality]) for teacher in teachers}
    rates = [teacher.sample_rate_hz for teacher in teachers if teacher.modality == "audio"]
    at_once = max(1, settings.batch_segments // SECONDS)
    groups = [names[start : start + at_once] for start in range(0, len(names), at_once)]

    def decode(group):
        rate = rates[0] if rates else SAMPLE_RATE_HZ
        return [videos.read(folder, name, rate, settings.silence_db) for name in group]

    said, tables = [], [SCHEMA.empty_table()]
    for found in cli.progress(ahead(decode, groups), len(names), "harvest", "videos", amount=len):
        said += [_about(video) for video in found]
        tables += [rows(found, teacher, captions[teacher.modality]) for teacher in teachers]
    return said, pyarrow.concat_tables(tables)


def ahead(function, items):
    """Yield function(item) of each item in order, with the next one already under way."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for item in items:
            following = pool.submit(function, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def _about(video):
    return {"filename": video.filename, "reason": video.reason, "flags": list(video.flags)}


def rows(found, teacher, captions):
    """Return a table of the segments of several `Video`s as one teacher sees or hears them."""
    having = [video for video in found if teacher.modality in video.segments]
    if not having:
        return SCHEMA.empty_table()
    embedded = teacher.embed_segments([part for video in having for part in video.segments[teacher.modality]])
    scores = (teacher.scale * embedded @ captions.T).astype(np.float32)
    seconds = np.concatenate([video.seconds[teacher.modality] for video in having])
    return pyarrow.table(
        {
            "filename": np.repeat([video.filename for video in having], SECONDS),
            "modality": [teacher.modality] * len(scores),
            "segment": np.tile(np.arange(SECONDS, dtype=np.int8), len(having)),
            "seconds": seconds.astype(np.float32),
            "scores": list(scores),
            "embedding": list(embedded),
        },
        schema=SCHEMA,
    )


def report(said):
    """Say on stderr which videos were not scored and which are odd."""
    lost = [entry for entry in said if entry["reason"]]
    odd = [entry for entry in said if entry["flags"] and not entry["reason"]]
    cli.say(f"{len(said) - len(lost)} of {len(said)} videos scored, {len(odd)} of them odd")
    for entry in lost:
        cli.say(f"  {entry['filename']}: not scored: {entry['reason']}")
    for entry in odd:
        cli.say(f"  {entry['filename']}: {', '.join(entry['flags'])}")


if __name__ == "__main__":
    cli.run(main)
