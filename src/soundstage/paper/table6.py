"""Build table 6: harvested labels themselves against dense annotations, and the weak label broadcast.

python -m soundstage.paper.table6 --scores work/teachers/fidelity/*.json --out results/table6.csv

Beside table6.csv it writes table6.tidy.csv, table6.classes.csv (precision and recall of the segments
of every class), table6.md, table6.tex and table6.png, and prints the table at its end.
"""

from pathlib import Path

from soundstage import cli
from soundstage.files import atomic, read_json, write_text
from soundstage.paper import formats, parsing
from soundstage.paper.settings import Settings

LABEL = "labels"
KEYS = ("precision", "recall")
TITLE = "Table 6: labels themselves, against dense annotations"


def main():
    """Read the flags, build the table, print it."""
    parser = cli.parser(__doc__)
    parser.add_argument("--scores", nargs="+", required=True, help="JSON files of fidelity, a row each, in order")
    parser.add_argument("--out", required=True, type=Path, help="the wide table, ending in .csv")
    cli.add_settings(parser, Settings)
    options = parser.parse_args()
    print(formats.text(build(options.scores, options.out, options.settings.corpus)))


def build(paths, out, corpus):
    """Write every form of the table and return its blocks for reading."""
    results = [read_json(path) for path in paths]
    found = [parsing.scored(one["name"], None, one, path) for one, path in zip(results, paths, strict=True)]
    order = [one.name for one in found]
    wide = parsing.wide_rows(found, order, corpus, LABEL, parsing.published(6, corpus))
    read = parsing.blocks(found, wide, corpus, LABEL, "Labels")
    read += [class_block(one) for one in results if one["inputs"]]
    read += parsing.published_blocks(wide, corpus, LABEL)
    parsing.write(out, TITLE, wide, parsing.tidy_rows(found, corpus, LABEL), read)
    write_text(out.with_suffix(".classes.csv"), formats.csv_text(class_rows(results, corpus)))
    with atomic(out.with_suffix(".png")) as temporary:
        parsing.draw(temporary, found, order, f"Corpus {corpus}: labels against dense annotations, percent")
    return read


def class_block(result):
    """Return a `formats.Block` of the precision and recall of every class in one set of labels."""
    cells = result["per_class"]
    header = ("class", *(f"{modality} {key}" for modality in cells for key in KEYS))
    rows = tuple(
        (name, *(_number(cells[modality][name][key]) for modality in cells for key in KEYS))
        for name in next(iter(cells.values()))
    )
    note = "Over all seconds of all test videos, in percent; empty where a class is never labelled, or never occurs."
    return formats.Block(f"Labels {result['name']}, by class", header, rows, note)


def _number(value):
    return "" if value is None else formats.number(float(value), 0)


def class_rows(results, corpus):
    """Return a dict per labels, modality and class with precision and recall in percent."""
    return [
        {"corpus": corpus, LABEL: result["name"], "modality": modality, "class": name}
        | {f"{key}_percent": "" if value is None else value for key, value in cell.items()}
        for result in results
        for modality, cells in result["per_class"].items()
        for name, cell in cells.items()
    ]


if __name__ == "__main__":
    cli.run(main)
