"""Build table 8: event parsers that read the towers of table 1, and labels from soft, calibrated thresholds.

    python -m soundstage.paper.table8 --scores work/parse/*/*/scores.json --rows valor valor_soft towers_dubs \\
        --about about.json --seeds 0 1 2 --out results/table8.csv

--about is JSON, {variant: {"towers": run or "", "labels": name}}. Beside table8.csv it writes table8.tidy.csv,
table8.differences.csv, table8.md, table8.tex and table8.png, and prints the table at its end. A tower's row of
seed s reads the towers of seed s, so that its spread is that of pretraining and parsing together. Nothing is
written unless every row has every seed.
"""

import json

from soundstage import cli
from soundstage.files import atomic, write_text
from soundstage.paper import flags, formats, parsing
from soundstage.paper.compare import MATCHED
from soundstage.paper.statistics import t_interval
from soundstage.paper.table45 import read
from soundstage.parse.metric import COLUMNS, LEVELS

TITLE = "Table 8: event parsers on the towers of table 1, and on soft labels"
LABEL = "parser"


def main():
    """Read the flags, build the table, print it."""
    parser = flags.of_parsers(__doc__, [0, 1, 2])
    parser.add_argument("--about", required=True, type=json.loads, help="the towers and labels of each, as JSON")
    print(formats.text(build(parser.parse_args())))


def build(options):
    """Write every form of the table and return its blocks for reading; options as `main` reads them."""
    found = read(options.scores, options.rows, options.seeds, options.rule)
    corpus = options.settings.corpus
    wide = parsing.wide_rows(found, options.rows, corpus, LABEL, [])
    wide = [{LABEL: row[LABEL], **options.about[row[LABEL]], **row} for row in wide]
    gains = differences(found, pairs(options.rows, options.about), options.settings)
    blocks = parsing.blocks(found, wide, corpus, LABEL, f"{TITLE[9:].capitalize()}, rule {options.rule}")
    blocks += difference_blocks(gains, options.settings)
    write_text(options.out.with_suffix(".differences.csv"), formats.csv_text(gains))
    parsing.write(options.out, TITLE, wide, parsing.tidy_rows(found, corpus, LABEL), blocks)
    with atomic(options.out.with_suffix(".png")) as temporary:
        parsing.draw(temporary, found, options.rows, f"Corpus {corpus}: {TITLE[9:]}, percent; a dot per seed")
    return blocks


def pairs(rows, about):
    """Return [(row, the row that it is held to)] of those that have one.

    Towers are held to those of the run that table 1 holds theirs to, with the same labels; a row with other
    labels to the first row that reads the same towers, or none.
    """
    found = []
    for number, row in enumerate(rows):
        other = matched(about, row, rows) or relabelled(about, row, rows[:number])
        found += [(row, other)] if other else []
    return found


def matched(about, row, rows):
    """Return the row whose towers table 1 holds this one's to, with the same labels; None if there is none."""
    wanted = {"towers": MATCHED.get(about[row]["towers"]), "labels": about[row]["labels"]}
    return next((other for other in rows if about[other] == wanted), None)


def relabelled(about, row, rows):
    """Return the first row that reads the same and learns from other labels; None if there is none."""
    mine = about[row]
    alike = [other for other in rows if about[other]["towers"] == mine["towers"]]
    return next((other for other in alike if about[other]["labels"] != mine["labels"]), None)


def differences(found, compared, settings):
    """Return a dict per pair and cell: the difference in points, paired by seed, and its t-interval."""
    values = {(one.name, one.seed): one.values for one in found}
    seeds = sorted({one.seed for one in found})
    rows = [
        {"corpus": settings.corpus, LABEL: a, "minus": b, "metric": cell} for a, b in compared for cell in parsing.CELLS
    ]
    for row in rows:
        gains = [values[row[LABEL], s][row["metric"]] - values[row["minus"], s][row["metric"]] for s in seeds]
        mean, low, high = t_interval(gains, settings.confidence_percent)
        row |= {"difference": mean, "low": low, "high": high, "n": len(seeds)}
    return rows


def difference_blocks(gains, settings):
    """Return a block a level of the differences; none where no row has another to be held to."""
    note = (
        f"± half the width of the {settings.confidence_percent:g} % t-interval over seeds, paired by seed; "
        "* marks intervals that exclude 0."
    )
    blocks = []
    for level in LEVELS:
        lines = {}
        for row in gains:
            if row["metric"].startswith(f"{level}_"):
                lines.setdefault(f"{row[LABEL]} - {row['minus']}", []).append(
                    formats.difference(row["difference"], row["low"], row["high"])
                )
        header = (f"{LABEL} minus", *(parsing.SHORT[column] for column in COLUMNS))
        rows = tuple((name, *cells) for name, cells in lines.items())
        blocks += [formats.Block(f"Differences in points, {level} level", header, rows, note)] if rows else []
    return blocks


if __name__ == "__main__":
    cli.run(main)
