"""What tables 4, 5 and 6 share: rows of the ten F-scores of event parsing, ours and published."""

import dataclasses
from pathlib import Path

from soundstage.errors import UserError
from soundstage.files import read_json, sha256, write_text
from soundstage.paper import formats
from soundstage.paper.statistics import mean_sd, t_interval
from soundstage.parse.metric import COLUMNS, LEVELS

PUBLISHED = Path(__file__).with_name("published.json")
CELLS = tuple(f"{level}_{column}" for level in LEVELS for column in COLUMNS)
SHORT = {"audio": "A", "visual": "V", "audio_visual": "AV", "type_av": "Type@AV", "event_av": "Event@AV"}
OURS = "this run"
DIFFERENCE_COLUMNS = ("corpus", "row", "minus", "metric", "n", "difference", "low", "high")
NOT_COMPARABLE = (
    "Published rows are on LLP, as their source prints them. Ours are on another corpus: the two are not comparable."
)
COMPARABLE = "Published rows are on LLP, as their source prints them, without a spread over seeds."


@dataclasses.dataclass(frozen=True)
class Scored:
    """The ten scores of one row and seed. seed: None where nothing was drawn; videos: scored ones."""

    name: str
    seed: int | None
    values: dict
    videos: int
    expected: int
    source: str
    sha256: str


def scored(name, seed, result, path):
    """Return the `Scored` of an object as `soundstage.parse.score` writes it, read from `path`."""
    try:
        values = {f"{level}_{column}": result["f_scores"][level][column] for level in LEVELS for column in COLUMNS}
        return Scored(name, seed, values, result["n"], result["n_expected"], str(path), sha256(path))
    except (KeyError, TypeError) as error:
        raise UserError(f"expected the ten F-scores ({error} is missing)", path) from None


def published(table, corpus):
    """Return the published rows of a table as dicts of the wide form, read from the data file.

    corpus: of our rows; the others keep their own in the column corpus.
    """
    rows = [entry for entry in read_json(PUBLISHED)["rows"] if entry["table"] == table]
    return [_published_row(entry) for entry in rows]


def _published_row(entry):
    values = dict(zip(CELLS, [*entry["segment"], *entry.get("event", [])], strict=False))
    return {"name": entry["name"], "corpus": "LLP", "source": entry["source"], "values": values}


def wide_rows(found, order, corpus, label, others):
    """Return the rows of the wide table: ours in `order`, then the published ones.

    found: list of `Scored`; label: the name of the first column.
    """
    rows = []
    for name in order:
        mine = [one for one in found if one.name == name]
        row = {label: name, "corpus": corpus, "videos": mine[0].videos}
        for cell in CELLS:
            mean, spread = mean_sd([one.values[cell] for one in mine])
            row |= {f"{cell}_mean": mean, f"{cell}_sd": spread, f"{cell}_n": len(mine)}
        rows.append(row | {"source": OURS})
    for entry in others:
        row = {label: entry["name"], "corpus": entry["corpus"], "videos": ""}
        for cell in CELLS:
            row |= {f"{cell}_mean": entry["values"].get(cell, ""), f"{cell}_sd": "", f"{cell}_n": ""}
        rows.append(row | {"source": entry["source"]})
    return rows


def difference_rows(found, order, against, corpus, confidence_percent):
    """Return one dict per row other than `against` and cell: its difference in points, over seeds.

    Trainings that share a seed are paired; low and high are the ends of Student's interval.
    """
    of = {(one.name, one.seed): one.values for one in found}
    seeds = [one.seed for one in found if one.name == against]
    rows = []
    for name in [one for one in order if one != against]:
        for cell in CELLS:
            gains = [of[name, seed][cell] - of[against, seed][cell] for seed in seeds]
            ends = dict(zip(("difference", "low", "high"), t_interval(gains, confidence_percent), strict=True))
            rows.append({"corpus": corpus, "row": name, "minus": against, "metric": cell, "n": len(seeds)} | ends)
    return rows


def difference_blocks(rows, label, confidence_percent):
    """Return a `formats.Block` a level of what `difference_rows` returns."""
    if not rows:
        return []
    against, seeds = rows[0]["minus"], rows[0]["n"]
    percent = f"{formats.number(confidence_percent, 0)} %"
    note = f"± half the width of the {percent} t-interval over {seeds} seeds, paired by seed; * where it excludes 0."
    text = {
        (row["row"], row["metric"]): formats.difference(*(row[key] for key in ("difference", "low", "high")))
        for row in rows
    }
    header = (label, *(SHORT[column] for column in COLUMNS))
    names, blocks = dict.fromkeys(row["row"] for row in rows), []
    for level in LEVELS:
        lines = tuple((name, *(text[name, f"{level}_{column}"] for column in COLUMNS)) for name in names)
        blocks.append(formats.Block(f"Minus {against} in points, {level} level", header, lines, note))
    return blocks


def tidy_rows(found, corpus, label):
    """Return one dict per cell and seed, with the file it was read from and that file's hash."""
    return [
        {
            "corpus": corpus,
            label: one.name,
            "seed": "" if one.seed is None else one.seed,
            "metric": cell,
            "value": one.values[cell],
            "n": one.videos,
            "source": one.source,
            "sha256": one.sha256,
        }
        for one in found
        for cell in CELLS
    ]


def blocks(found, rows, corpus, label, title):
    """Return the `formats.Block`s of our rows, one a level."""
    ours = [row for row in rows if row["source"] == OURS]
    return [_block(ours, level, f"{title}, {level} level, corpus {corpus}", label, _note(found)) for level in LEVELS]


def published_blocks(rows, corpus, label):
    """Return the `formats.Block`s of the published rows of a wide table."""
    theirs, made = [row for row in rows if row["source"] != OURS], []
    note = COMPARABLE if corpus == "LLP" else NOT_COMPARABLE
    for level in LEVELS:
        known = [row for row in theirs if row[f"{level}_audio_mean"] != ""]
        made += [_block(known, level, f"Published, {level} level, corpus LLP", label, note)] if known else []
    return made


def _note(found):
    seeds = len({one.seed for one in found})
    spread = f"Mean ± standard deviation over {seeds} seeds. " if seeds > 1 else ""
    short = [one for one in found if one.videos < one.expected]
    missing = "".join(f" Only {one.videos} of {one.expected} videos are scored in {one.name}." for one in short[:1])
    return f"{spread}F-scores in percent over {found[0].videos} test videos.{missing}"


def _block(rows, level, title, label, note):
    header = (label, *(SHORT[column] for column in COLUMNS), "source")
    lines = tuple((row[label], *(_cell(row, f"{level}_{column}") for column in COLUMNS), row["source"]) for row in rows)
    return formats.Block(title, header, lines, note)


def _cell(row, cell):
    mean = formats.number(row[f"{cell}_mean"], 1)
    spread = formats.number(row[f"{cell}_sd"], 1)
    return f"{mean} ± {spread}" if spread else mean


def write(out, title, wide, tidy, read):
    """Write a table as .csv, .tidy.csv, .md and .tex beside `out`."""
    out = Path(out)
    write_text(out, formats.csv_text(wide))
    write_text(out.with_suffix(".tidy.csv"), formats.csv_text(tidy))
    write_text(out.with_suffix(".md"), formats.markdown(title, read))
    write_text(out.with_suffix(".tex"), formats.latex(read))


def draw(path, found, order, title):
    """Write a PNG: a panel per column, a line per row; dots are seeds, the bar their mean."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(LEVELS), len(COLUMNS), figsize=(12, 2 * (0.8 + 0.3 * len(order)) + 0.8), sharey=True, squeeze=False
    )
    for line, level in zip(axes, LEVELS, strict=True):
        for axis, column in zip(line, COLUMNS, strict=True):
            for row, name in enumerate(order):
                values = [one.values[f"{level}_{column}"] for one in found if one.name == name]
                axis.plot(values, [row] * len(values), "o", ms=4, alpha=0.6, mew=0, color=f"C{row % 10}")
                axis.plot([sum(values) / len(values)], [row], "|", ms=12, mew=2.5, color=f"C{row % 10}")
            axis.set_title(f"{level} {SHORT[column]}", fontsize=9)
            axis.set_yticks(range(len(order)), [name.replace("_", " ") for name in order])
            axis.set_ylim(len(order) - 0.5, -0.5)
            axis.grid(axis="x", lw=0.4, alpha=0.5)
            axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=130, format="png", metadata={"Software": None})
    plt.close(figure)
