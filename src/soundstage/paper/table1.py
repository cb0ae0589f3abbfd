"""Build table 1 from the scores of all runs and seeds.

python -m soundstage.paper.table1 --metrics work/evaluate/*/*/metrics.json --out results/table1.csv

Beside table1.csv it writes table1.tidy.csv (a line per score with its source and hash),
table1.differences.csv, table1.md, table1.tex and table1.png, and prints the table at its end.
A predictions.parquet is read beside every metrics.json. Nothing is written unless every run has
every seed and benchmark.
"""

from pathlib import Path

from soundstage import cli
from soundstage.files import atomic
from soundstage.paper import compare, formats
from soundstage.paper.figure import draw
from soundstage.paper.results import check_complete, read_predictions, read_scores
from soundstage.paper.settings import Settings

SHORT = {
    "accuracy_percent": "accuracy",
    "map_percent": "mAP",
    "auc_percent": "AUC",
    "chroma_accuracy_percent": "chroma accuracy",
    "mean_squared_error": "MSE",
}
TITLE = "Table 1: what the words of a film's dubs do to audiovisual pretraining"


def main():
    """Read the flags, build the table, print it."""
    parser = cli.parser(__doc__)
    parser.add_argument("--metrics", nargs="+", required=True, help="metrics.json files")
    parser.add_argument("--out", required=True, help="the wide table, ending in .csv")
    parser.add_argument("--runs", nargs="+", default=list(compare.RUNS), help="rows, in order")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--benchmarks", nargs="+", default=[], help="columns (default: all that any run has)")
    cli.add_settings(parser, Settings)
    arguments = parser.parse_args()
    scores = read_scores(arguments.metrics)
    other = sorted({score.run for score in scores} - set(arguments.runs))
    if other:
        cli.say(f"not in this table, left out: {', '.join(other)}")
    scores = [score for score in scores if score.run not in other]
    scores = check_complete(scores, arguments.runs, arguments.seeds, arguments.benchmarks)
    blocks = build(scores, arguments.runs, arguments.seeds, arguments.out, arguments.settings)
    print(formats.text(blocks))


def build(scores, runs, seeds, out, settings):
    """Write every form of the table and return its `formats.Block`s for reading.

    scores: {(run, seed, benchmark): Score}, complete.
    """
    predictions = read_predictions(scores)
    resampled = compare.resample(scores, predictions, runs, seeds, settings)
    wide = [compare.wide_row(scores, run, seeds, resampled, settings) for run in runs]
    gains = compare.difference_rows(scores, runs, seeds, resampled, settings)
    count = "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
    blocks = reading(scores, wide, gains, count, settings)
    out = Path(out)
    _write(out, formats.csv_text(wide))
    _write(out.with_suffix(".tidy.csv"), formats.csv_text(compare.tidy_rows(scores, settings)))
    if gains:
        _write(out.with_suffix(".differences.csv"), formats.csv_text(gains))
    _write(out.with_suffix(".md"), formats.markdown(TITLE, blocks))
    _write(out.with_suffix(".tex"), formats.latex(blocks))
    with atomic(out.with_suffix(".png")) as temporary:
        draw(temporary, scores, runs, seeds, settings)
    return blocks


def _write(path, text):
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def reading(scores, wide, gains, seeds, settings):
    """Return the blocks for reading: group means, differences, and every benchmark.

    wide, gains: the rows of the CSV files; seeds: how many there are, in words.
    """
    groups = list(compare.grouped(scores))
    percent = f"{settings.confidence_percent:g} %"
    means = formats.Block(
        f"Group means in percent, corpus {settings.corpus}",
        ("pretraining", *groups),
        (*(_mean_row(row, groups) for row in wide), _chance_row(wide[0], groups)),
        f"Mean ± standard deviation over {seeds} of the mean over a group's benchmarks.",
    )
    differences = formats.Block(
        "Differences in points, over seeds",
        ("pretraining minus", *groups),
        tuple(_difference_row(gains, pair, groups, _over_seeds) for pair in _pairs(gains)),
        f"± half the width of the {percent} t-interval over {seeds}, paired by seed; "
        "* marks intervals that exclude 0.",
    )
    drawn = formats.Block(
        "Differences in points, over test clips",
        ("pretraining minus", *groups),
        tuple(_difference_row(gains, pair, groups, _over_clips) for pair in _pairs(gains)),
        f"{percent} of {settings.bootstrap_samples} draws of the test clips, paired by clip, each "
        "averaged over the seeds.",
    )
    return [means, differences, drawn, *_benchmark_blocks(scores, wide, seeds)]


def _mean_row(row, groups, digits=1):
    return row["pretraining"], *(_spread(row, group, digits) for group in groups)


def _spread(row, start, digits=1):
    mean, spread = (formats.number(row[f"{start}_{key}"], digits) for key in ("mean", "sd"))
    return f"{mean} ± {spread}" if spread else mean


def _chance_row(row, starts, digits=1):
    return "chance", *(formats.number(row[f"{start}_chance"], digits) for start in starts)


def _pairs(gains):
    return list(dict.fromkeys((row["pretraining"], row["minus"]) for row in gains))


def _difference_row(gains, pair, groups, shown):
    found = {row["group"]: row for row in gains if (row["pretraining"], row["minus"]) == pair}
    return " - ".join(pair), *(shown(found[group]) for group in groups)


def _over_seeds(row):
    return formats.difference(*(row[f"difference{end}"] for end in ("", "_low", "_high")))


def _over_clips(row):
    ends = [formats.signed(row[key]) for key in ("bootstrap_low", "bootstrap_high")]
    return f"[{', '.join(ends)}]"


def _benchmark_blocks(scores, wide, seeds):
    """Return a block per group with a column per benchmark, and one of the regressions, which no group's mean has."""
    blocks = []
    for group, names in compare.grouped(scores).items():
        note = f"Mean ± standard deviation over {seeds}; frozen embeddings, probe: {_probes(scores, names)}."
        blocks.append(_benchmark_block(f"{group.capitalize()} benchmarks", names, scores, wide, note))
    if names := compare.errors(scores):
        note = f"Mean ± standard deviation over {seeds}; lower is better. They are in no group's mean."
        blocks.append(_benchmark_block("Regressions", names, scores, wide, note, digits=3))
    return blocks


def _benchmark_block(title, names, scores, wide, note, digits=1):
    metric = {score.benchmark: score.metric for score in scores.values()}
    starts = [f"{name}_{metric[name]}" for name in names]
    header = ("pretraining", *(f"{name} ({SHORT[metric[name]]})" for name in names))
    means = (*(_mean_row(row, starts, digits) for row in wide), _chance_row(wide[0], starts, digits))
    return formats.Block(title, header, means, note)


def _probes(scores, names):
    return ", ".join(sorted({score.probe for score in scores.values() if score.benchmark in names}))


if __name__ == "__main__":
    cli.run(main)
