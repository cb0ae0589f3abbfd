"""What became of the films: tracks accepted or refused, clips kept or dropped, shard sizes.

python -m soundstage.paper.corpus --films film-000 film-001 --align work/align \\
    --clips work/clips --shards work/shards --out results/corpus.md

Writes three files: `corpus.md` for reading, `corpus.tracks.csv` (a line per dub) and
`corpus.clips.csv` (a line per film with a column per reason for which windows were dropped).
"""

from collections import Counter
from pathlib import Path

import pandas

from soundstage.cli import parser, run
from soundstage.files import atomic, read_json

TRACK_COLUMNS = ["film", "language", "accepted", "offset_ms", "rate", "confidence", "segments"]


def track_row(film, language, alignment):
    """Return one line of the table of dubs from the object in an alignment file."""
    return {
        "film": film,
        "language": language,
        "accepted": bool(alignment["accepted"]),
        "offset_ms": _rounded(alignment["offset_seconds"], 1000, 2),
        "rate": _rounded(alignment["rate"], 1, 6),
        "confidence": _rounded(alignment["confidence"], 1, 3),
        "segments": len(alignment["segments"]),
        "reason": alignment.get("reason") or "",
    }


def _rounded(value, factor, digits):
    return None if value is None else round(value * factor, digits)


def clip_row(film, clips, index):
    """Return one line of the table of films: windows kept, dropped by reason, bytes of shards."""
    dropped = Counter(clips.loc[~clips["kept"], "reason"])
    kept = clips[clips["kept"]]
    row = {"film": film, "windows": len(clips), "kept": len(kept)}
    row["kept_with_dub"] = int(kept["has_dub"].sum())
    row["shard_megabytes"] = round(index["bytes"] / 1e6, 3)
    return row | {f"dropped: {reason}": count for reason, count in sorted(dropped.items())}


def markdown(tracks, clips):
    """Return the two tables and their sums as Markdown."""
    lines = ["# The corpus", "", _tracks_sentence(tracks), _clips_sentence(clips), ""]
    lines += ["## Dubs", "", *_table(tracks), "", "## Clips", "", *_table(clips), ""]
    return "\n".join(lines)


def _tracks_sentence(tracks):
    if tracks.empty:
        return "There is no dub."
    refused = tracks[~tracks["accepted"]]
    kinds = Counter(reason.split(":")[0] for reason in refused["reason"])
    reasons = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    return (
        f"{tracks['accepted'].sum()} of {len(tracks)} dubs accepted. Refused: {reasons or 'none'}."
    )


def _clips_sentence(clips):
    kept, windows = clips["kept"].sum(), clips["windows"].sum()
    reasons = [name for name in clips if name.startswith("dropped: ")]
    dropped = ", ".join(f"{int(clips[name].sum())} x {name[9:]}" for name in reasons)
    return (
        f"{kept} of {windows} windows kept, {clips['kept_with_dub'].sum()} of them with a dub, in "
        f"{clips['shard_megabytes'].sum():.1f} MB of shards. Dropped: {dropped or 'none'}."
    )


def _table(frame):
    """Return a data frame as lines of a Markdown table."""
    cells = frame.astype(object).where(frame.notna(), "").values.tolist()
    rows = [list(frame.columns), ["---"] * len(frame.columns), *cells]
    return ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]


def _cell(value):
    return str(value).replace("|", "\\|").replace("\n", " ")


def tables(films, align, clips, shards):
    """Return (table of dubs, table of films) read from the three stages' folders."""
    dubs = [
        track_row(film, path.stem, read_json(path))
        for film in films
        for path in sorted(Path(align, film).glob("*.json"))
    ]
    rows = [
        clip_row(
            film,
            pandas.read_parquet(Path(clips, film, "clips.parquet")),
            read_json(Path(shards, f"{film}.json")),
        )
        for film in films
    ]
    films_table = pandas.DataFrame(rows)
    reasons = [name for name in films_table if name.startswith("dropped: ")]
    films_table[reasons] = films_table[reasons].fillna(0).astype(int)
    return pandas.DataFrame(dubs, columns=[*TRACK_COLUMNS, "reason"]), films_table


def main():
    """Write the three files."""
    arguments = parser(__doc__)
    arguments.add_argument("--films", nargs="+", required=True, help="film ids")
    arguments.add_argument("--align", required=True, help="folder of stage align")
    arguments.add_argument("--clips", required=True, help="folder of stage clips")
    arguments.add_argument("--shards", required=True, help="folder of stage shards")
    arguments.add_argument("--out", required=True, type=Path, help="corpus.md to write")
    options = arguments.parse_args()
    tracks, films = tables(options.films, options.align, options.clips, options.shards)
    for name, frame in (("tracks", tracks), ("clips", films)):
        with atomic(options.out.with_suffix(f".{name}.csv")) as temporary:
            frame.to_csv(temporary, index=False)
    text = markdown(tracks, films)
    with atomic(options.out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print("\n".join(text.splitlines()[2:4]))


if __name__ == "__main__":
    run(main)
