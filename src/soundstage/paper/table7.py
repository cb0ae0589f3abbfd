"""Build table 7: event parsers on AVE under weak supervision, beside two rows that look at no video.

    python -m soundstage.paper.table7 --scores work/parse/ave/*/*/scores.json --rows ave_han ave_valor \\
        --out results/table7.csv

A prediction is a class or background for each second; accuracy is over all seconds of all test videos.
The reference rows are background everywhere, and the true class of each video in every second: perfect
classification without any localisation. Beside table7.csv it writes table7.tidy.csv,
table7.classes.csv (recall of every class), table7.md, table7.tex and table7.png.
"""

import dataclasses
import math
from pathlib import Path

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import atomic, read_json, sha256, write_text
from soundstage.paper import formats, parsing
from soundstage.paper.settings import Settings
from soundstage.paper.statistics import mean_sd

TITLE = "Table 7: AVE, weakly supervised"
METRICS = ("accuracy_percent", "class_recall", "background_recall")
HEADER = ("method", "accuracy", "mean class recall", "background recall", "source")
NOT_COMPARABLE = "Published rows are on AVE, ours on another corpus: the two are not comparable."
COMPARABLE = "Published rows are on AVE, as their source prints them, without a spread over seeds."
RULE = (
    "Accuracy over all seconds of all test videos, recalls in percent. A second is the likeliest class of its "
    "video where both streams are at least 0.5 for it, else background; the epoch is the one of the best accuracy "
    "on validation videos."
)


@dataclasses.dataclass(frozen=True)
class Scored:
    """One row and seed. seed: None where nothing was drawn; recalls: {class: percent or None}."""

    name: str
    seed: int | None
    values: dict
    recalls: dict
    videos: int
    source: str
    sha256: str


def main():
    """Read the flags, build the table, print it."""
    parser = cli.parser(__doc__)
    parser.add_argument("--scores", nargs="+", required=True, help="scores.json files of trainings")
    parser.add_argument("--rows", nargs="+", required=True, help="names of the variants, in order")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], help="seeds of every row")
    parser.add_argument("--out", required=True, type=Path, help="the wide table, ending in .csv")
    cli.add_settings(parser, Settings)
    print(formats.text(build(parser.parse_args())))


def build(options):
    """Write every form of the table and return its blocks for reading; options as `main` reads them."""
    found, corpus = read(options.scores, options.rows, options.seeds), options.settings.corpus
    order = list(dict.fromkeys(one.name for one in found))
    wide = [row_of(found, name, corpus) for name in order] + published()
    blocks = blocks_of(found, wide, corpus)
    parsing.write(options.out, TITLE, wide, tidy_rows(found, corpus), blocks)
    write_text(options.out.with_suffix(".classes.csv"), formats.csv_text(class_rows(found, order, corpus)))
    with atomic(options.out.with_suffix(".png")) as temporary:
        draw(temporary, found, order, f"Corpus {corpus}: AVE-like videos, weakly supervised; a dot per seed")
    return blocks


def read(paths, rows, seeds):
    """Return the `Scored` of the two reference rows, then of every row and seed; UserError for missing ones."""
    trained, references = {}, {}
    for path in paths:
        one = read_json(path)
        if "ave" not in one:
            raise UserError("expected the scores of a training on AVE", path)
        for name, scores in one["ave"]["rows"].items():
            if name == "parser":
                trained[one["variant"], one["seed"]] = _scored(one["variant"], one["seed"], scores, one, path)
            else:
                references.setdefault(name, _scored(name, None, scores, one, path))
    wanted = [(row, seed) for row in rows for seed in seeds]
    if missing := [f"{row}, seed {seed}" for row, seed in wanted if (row, seed) not in trained]:
        raise UserError(f"scores are missing: {'; '.join(missing[:10])}", fix="train these variants and seeds first")
    return [*references.values(), *(trained[key] for key in wanted)]


def _scored(name, seed, scores, one, path):
    recalls = scores["class_recall"] | {"background": scores["background_recall"]}
    known = [value for value in scores["class_recall"].values() if value is not None]
    background = math.nan if scores["background_recall"] is None else scores["background_recall"]
    values = dict(zip(METRICS, (scores["accuracy_percent"], mean_sd(known)[0], background), strict=True))
    return Scored(name, seed, values, recalls, one["ave"]["n"], str(path), sha256(path))


def row_of(found, name, corpus):
    """Return one row of the wide table."""
    mine = [one for one in found if one.name == name]
    row = {"method": name, "corpus": corpus, "videos": mine[0].videos}
    for metric in METRICS:
        mean, spread = mean_sd([one.values[metric] for one in mine])
        row |= {f"{metric}_mean": mean, f"{metric}_sd": spread, f"{metric}_n": len(mine)}
    return row | {"source": parsing.OURS}


def published():
    """Return the published rows of the wide table, from the data file."""
    rows = []
    for entry in read_json(parsing.PUBLISHED)["rows"]:
        if entry["table"] == 7:
            row = {"method": entry["name"], "corpus": "AVE", "videos": ""}
            for metric in METRICS:
                row |= {f"{metric}_mean": entry.get(metric, ""), f"{metric}_sd": "", f"{metric}_n": ""}
            rows.append(row | {"source": entry["source"]})
    return rows


def tidy_rows(found, corpus):
    """Return one dict per cell and seed, with the file it was read from and that file's hash."""
    return [
        {"corpus": corpus, "method": one.name, "seed": "" if one.seed is None else one.seed}
        | {"metric": metric, "value": one.values[metric], "n": one.videos, "source": one.source, "sha256": one.sha256}
        for one in found
        for metric in METRICS
    ]


def class_rows(found, order, corpus):
    """Return a dict per row and class: mean and spread of its recall over seeds, empty where it never occurs."""
    rows = []
    for name in order:
        mine = [one for one in found if one.name == name]
        for label in mine[0].recalls:
            known = [one.recalls[label] for one in mine if one.recalls[label] is not None]
            mean, spread = mean_sd(known) if known else ("", "")
            values = {"recall_percent_mean": mean, "recall_percent_sd": spread, "recall_percent_n": len(known)}
            rows.append({"corpus": corpus, "method": name, "class": label} | values)
    return rows


def blocks_of(found, wide, corpus):
    """Return the `formats.Block`s for reading: ours, then the published rows."""
    seeds = len({one.seed for one in found if one.seed is not None})
    note = f"Mean ± standard deviation over {seeds} seeds, {found[0].videos} test videos. {RULE}"
    ours = [_cells(row) for row in wide if row["source"] == parsing.OURS]
    theirs = [_cells(row) for row in wide if row["source"] != parsing.OURS]
    known = COMPARABLE if corpus == "AVE" else NOT_COMPARABLE
    return [
        formats.Block(f"Event parsers, corpus {corpus}", HEADER, tuple(ours), note),
        formats.Block("Published, corpus AVE", HEADER, tuple(theirs), known),
    ]


def _cells(row):
    cells = []
    for metric in METRICS:
        mean, spread = (formats.number(row[f"{metric}_{part}"], 1) for part in ("mean", "sd"))
        cells.append(f"{mean} ± {spread}" if spread else mean)
    return (row["method"], *cells, row["source"])


def draw(path, found, order, title):
    """Write a PNG: a panel per metric with a dot per seed, and below the recall of every class."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(12, 2.2 + 0.3 * len(order) + 3.2))
    grid = figure.add_gridspec(2, len(METRICS), height_ratios=[0.8 + 0.3 * len(order), 3.2])
    for place, metric in enumerate(METRICS):
        axis = figure.add_subplot(grid[0, place])
        for row, name in enumerate(order):
            values = [one.values[metric] for one in found if one.name == name]
            axis.plot(values, [row] * len(values), "o", ms=4, alpha=0.6, mew=0, color=f"C{row % 10}")
            axis.plot([sum(values) / len(values)], [row], "|", ms=12, mew=2.5, color=f"C{row % 10}")
        axis.set_title(f"{metric.removesuffix('_percent').replace('_', ' ')}, percent", fontsize=9)
        axis.set_yticks(range(len(order)), [name.replace("_", " ") for name in order] if not place else [])
        axis.set_ylim(len(order) - 0.5, -0.5)
        axis.grid(axis="x", lw=0.4, alpha=0.5)
    _draw_classes(figure.add_subplot(grid[1, :]), found, order)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=130, format="png", metadata={"Software": None})
    plt.close(figure)


def _draw_classes(axis, found, order):
    """Draw the mean recall of every class, a marker per trained row."""
    labels = list(found[0].recalls)
    for row, name in enumerate(order):
        mine = [one.recalls for one in found if one.name == name and one.seed is not None]
        if not mine:
            continue
        known = [[one[label] for one in mine if one[label] is not None] for label in labels]
        means = [sum(values) / len(values) if values else math.nan for values in known]
        axis.plot(range(len(labels)), means, "o", ms=5, color=f"C{row % 10}", label=name.replace("_", " "))
    axis.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=7)
    axis.set_ylabel("recall, percent", fontsize=8)
    axis.set_ylim(-2, 102)
    axis.grid(lw=0.4, alpha=0.5)
    axis.legend(fontsize=8)


if __name__ == "__main__":
    cli.run(main)
