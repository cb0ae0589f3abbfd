"""Build table 2: an ablation round one run, one factor at a time, as group means.

python -m soundstage.paper.table2 --metrics work/evaluate/*/*/metrics.json --rows dubs_within_modal dubs ... \\
    --factors '{"dubs": {"views": "dubs"}, ...}' --seeds 0 1 2 --out results/table2.csv

The first row is the one that the others are held to. --factors gives each row's entry of the
configuration, from which its columns views, pairing, most_dubs and lambdas come; every score is read
from a metrics.json. Beside table2.csv it writes table2.tidy.csv, table2.published.csv (HEAR's leaderboard), .md,
.tex and .png, and prints the table at its end. Nothing is written unless every row has every seed and benchmark.
"""

import json
from pathlib import Path

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import atomic, write_text
from soundstage.paper import compare, dots, formats, hear_reference
from soundstage.paper.results import check_complete, read_predictions, read_scores
from soundstage.paper.settings import Settings
from soundstage.paper.statistics import mean_sd
from soundstage.pretrain.settings import Run
from soundstage.settings import build as build_settings

TITLE = "Table 2: what matters in pretraining with dubs, one factor at a time"
# What a row can differ in from the first one, and the title of the block in which it then stands.
FACTORS = {
    "lambdas": "Weights of the within-modal terms (lambda_video, lambda_audio)",
    "dubs": "Number of dubs that a clip is heard in",
    "pairing": "Which tracks the two views of a clip are",
    "views": "Control: the original and a remix of it, with the same words",
}
PAIRINGS = {
    "two_languages": "any two languages",
    "original_and_dub": "the original and a dub",
    "same_language": "one language, for both views",
}


def main():
    """Read the flags, build the table, print it."""
    parser = cli.parser(__doc__)
    parser.add_argument("--metrics", nargs="+", required=True, help="metrics.json files")
    parser.add_argument("--rows", nargs="+", required=True, help="runs, the first is compared with the others")
    parser.add_argument("--factors", required=True, help="JSON: run -> its entry of the configuration")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--benchmarks", nargs="+", default=[], help="columns (default: all that any run has)")
    parser.add_argument("--out", required=True, type=Path, help="the wide table, ending in .csv")
    cli.add_settings(parser, Settings)
    options = parser.parse_args()
    scores = [score for score in read_scores(options.metrics) if score.run in options.rows]
    scores = check_complete(scores, options.rows, options.seeds, options.benchmarks)
    print(formats.text(build(scores, factors_of(options), options.seeds, options.out, options.settings)))


def factors_of(options):
    """Return {row: `Run`} in the order of the rows; UserError for a row that --factors lacks."""
    entries = json.loads(options.factors)
    if missing := [row for row in options.rows if row not in entries]:
        raise UserError(f"expected the settings of every row, {', '.join(missing)} is missing", "--factors")
    return {row: build_settings(Run, entries[row], f"--factors {row}") for row in options.rows}


def build(scores, factors, seeds, out, settings):
    """Write every form of the table and return its `formats.Block`s for reading.

    scores: {(run, seed, benchmark): Score}, complete; factors: {row: Run}, the first being the base.
    """
    rows = list(factors)
    resampled = compare.resample(scores, read_predictions(scores), rows, seeds, settings)
    wide = [wide_row(scores, row, factors, seeds, resampled, settings) for row in rows]
    blocks = reading(wide, factors, list(compare.grouped(scores)), len(seeds), settings)
    hear = any(name.startswith("hear") for _, _, name in scores)
    blocks.append(hear_reference.block(settings.corpus, not hear))
    write_text(out.with_suffix(".published.csv"), formats.csv_text(hear_reference.rows()))
    write_text(out, formats.csv_text(wide))
    write_text(out.with_suffix(".tidy.csv"), formats.csv_text(compare.tidy_rows(scores, settings)))
    write_text(out.with_suffix(".md"), formats.markdown(TITLE, blocks))
    write_text(out.with_suffix(".tex"), formats.latex(blocks))
    with atomic(out.with_suffix(".png")) as temporary:
        panels = {
            group: {row: compare.group_values(scores, row, seeds, names) for row in rows}
            for group, names in compare.grouped(scores).items()
        }
        title = f"Corpus {settings.corpus}: group means of the ablation; dots are seeds, the line is {rows[0]}"
        dots.draw(temporary, panels, title, "percent")
    return blocks


def wide_row(scores, row, factors, seeds, resampled, settings):
    """Return one row as an ordered dict: what it differs in, then mean, sd, n and difference of every group."""
    run, base = factors[row], next(iter(factors))
    cells = {"corpus": settings.corpus, "pretraining": row, "minus": "" if row == base else base}
    cells |= {"factor": "base" if row == base else differs(run, factors[base]), "views": run.views}
    cells |= {"pairing": run.pairing if run.views == "dubs" else "", "most_dubs": most_dubs(run)}
    cells |= {"lambda_video": run.lambda_video, "lambda_audio": run.lambda_audio}
    for group, names in compare.grouped(scores).items():
        mean, spread = mean_sd(compare.group_values(scores, row, seeds, names))
        cells |= {f"{group}_mean": mean, f"{group}_sd": spread, f"{group}_n": len(seeds)}
        other = None if row == base else base
        found = compare.difference(scores, row, other, group, seeds, resampled, settings)
        cells |= {f"{group}_{key}": value for key, value in found.items()}
        cells[f"{group}_chance"] = sum(scores[row, seeds[0], name].chance for name in names) / len(names)
    return cells


def most_dubs(run):
    """Return how many dubs a clip is heard in, as text: all, a number, or 0 where none is."""
    if run.views != "dubs":
        return "0"
    return str(run.most_dubs) if run.most_dubs else "all"


def differs(run, base):
    """Return the one thing of FACTORS in which two `Run`s differ; several are joined by a comma.

    A run that hears originals alone has 0 dubs; one that hears a remix differs in its views.
    """
    found = []
    if (run.lambda_video, run.lambda_audio) != (base.lambda_video, base.lambda_audio):
        found.append("lambdas")
    if run.views != base.views and {run.views, base.views} != {"original", "dubs"}:
        found.append("views")
    elif most_dubs(run) != most_dubs(base):
        found.append("dubs")
    elif run.pairing != base.pairing:
        found.append("pairing")
    return ", ".join(found) or "nothing"


def reading(wide, factors, groups, seeds, settings):
    """Return a block per factor: the rows that differ in it, and the base, with means and differences."""
    base = next(iter(factors))
    found = dict.fromkeys(row["factor"] for row in wide if row["factor"] != "base")
    order = [name for name in FACTORS if name in found] + [name for name in found if name not in FACTORS]
    percent = f"{settings.confidence_percent:g} %"
    note = (
        f"Mean ± standard deviation over {seeds} seeds, percent. In brackets the difference to {base} ± half the width "
        f"of the {percent} t-interval, paired by seed; * marks intervals that exclude 0."
    )
    blocks = []
    for factor in order:
        lines = [row for row in wide if row["factor"] in ("base", factor)]
        shown = tuple((row["pretraining"], value_of(row, factor), *(_cell(row, x) for x in groups)) for row in lines)
        title = f"{FACTORS.get(factor, factor)}, corpus {settings.corpus}"
        blocks.append(formats.Block(title, ("pretraining", factor, *groups), shown, note))
    return blocks


def value_of(row, factor):
    """Return in words what a row of the wide table has for a factor."""
    words = {
        "lambdas": f"{row['lambda_video']:g}, {row['lambda_audio']:g}",
        "dubs": row["most_dubs"],
        "pairing": PAIRINGS.get(row["pairing"], ""),
        "views": row["views"],
    }
    return "; ".join(words[name] for name in factor.split(", ") if name in words)


def _cell(row, group):
    mean, spread = (formats.number(row[f"{group}_{key}"], 1) for key in ("mean", "sd"))
    text = f"{mean} ± {spread}" if spread else mean
    low, high = row[f"{group}_difference_low"], row[f"{group}_difference_high"]
    if row["factor"] == "base" or low != low:
        return text
    mark = "*" if low > 0 or high < 0 else ""
    return f"{text} ({formats.signed(row[f'{group}_difference'])}{mark} ± {formats.number((high - low) / 2, 1)})"


if __name__ == "__main__":
    cli.run(main)
