"""Build table 4 or 5: event parsers, or one parser under different teachers, over their seeds.

    python -m soundstage.paper.table45 --table 4 --scores work/parse/*/*/scores.json \\
        --rows han valor --rule shared --out results/table4.csv

Beside table4.csv it writes table4.tidy.csv, table4.differences.csv (each row minus HAN in table 4,
minus both teachers, independent, in table 5), table4.md, table4.tex and table4.png, and prints the
table at its end. Nothing is written unless every row has every seed.
"""


from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import atomic, read_json, write_text
from soundstage.paper import flags, formats, parsing

LABELS = {4: "method", 5: "teachers"}
AGAINST = {4: "han", 5: "valor"}  # the row that the others are held to; both teachers are VALOR itself
TITLES = {4: "Table 4: event parsers", 5: "Table 5: what the teachers are worth"}


def main():
    """Read the flags, build the table, print it."""
    parser = flags.of_parsers(__doc__, [0, 1, 2, 3, 4])
    parser.add_argument("--table", type=int, choices=sorted(LABELS), required=True, help="which table")
    print(formats.text(build(parser.parse_args())))


def build(options):
    """Write every form of the table and return its blocks for reading; options as `main` reads them."""
    found = read(options.scores, options.rows, options.seeds, options.rule)
    corpus, label, title = options.settings.corpus, LABELS[options.table], TITLES[options.table]
    wide = parsing.wide_rows(found, options.rows, corpus, label, parsing.published(options.table, corpus))
    blocks = parsing.blocks(found, wide, corpus, label, f"{title[9:].capitalize()}, rule {options.rule}")
    apart = differences(found, options)
    blocks += parsing.difference_blocks(apart, label, options.settings.confidence_percent)
    blocks += parsing.published_blocks(wide, corpus, label)
    write_text(options.out.with_suffix(".differences.csv"), formats.csv_text(apart, parsing.DIFFERENCE_COLUMNS))
    parsing.write(options.out, title, wide, parsing.tidy_rows(found, corpus, label), blocks)
    with atomic(options.out.with_suffix(".png")) as temporary:
        parsing.draw(temporary, found, options.rows, f"Corpus {corpus}: {title[9:]}, percent; a dot per seed")
    return blocks


def differences(found, options):
    """Return `parsing.difference_rows` of a table, to its first row where it lacks the usual one."""
    against = AGAINST[options.table] if AGAINST[options.table] in options.rows else options.rows[0]
    settings = options.settings
    return parsing.difference_rows(found, options.rows, against, settings.corpus, settings.confidence_percent)


def read(paths, rows, seeds, rule):
    """Return the `parsing.Scored` of every row and seed; UserError names those that are missing."""
    found = {}
    for path in paths:
        one = read_json(path)
        if one["variant"] in rows and one["seed"] in seeds:
            scored = parsing.scored(one["variant"], one["seed"], one["rules"][rule], path)
            found[one["variant"], one["seed"]] = scored
    wanted = [(row, seed) for row in rows for seed in seeds]
    missing = [f"{row}, seed {seed}" for row, seed in wanted if (row, seed) not in found]
    if missing:
        raise UserError(f"scores are missing: {'; '.join(missing[:10])}", fix="train these variants and seeds first")
    return [found[key] for key in wanted]


if __name__ == "__main__":
    cli.run(main)
