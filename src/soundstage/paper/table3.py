"""Build table 3: the rows of table 1 on LVU's nine tasks and on sets of actions.

python -m soundstage.paper.table3 --metrics work/evaluate/*/*/table3/metrics.json --out results/table3.csv

Beside table3.csv it writes table3.tidy.csv (a line per score with its source and hash), .md, .tex and
.png, and prints the table at its end. Nothing is written unless every run has every seed and
benchmark. Two of LVU's tasks are regressions: their mean squared error is the lower the better.
"""

from pathlib import Path

from soundstage import cli
from soundstage.evaluate.schema import GROUPS
from soundstage.evaluate.tasks import LVU, entry_names
from soundstage.files import atomic, write_text
from soundstage.paper import compare, dots, formats
from soundstage.paper.results import check_complete, read_scores
from soundstage.paper.settings import Settings
from soundstage.paper.statistics import mean_sd, t_interval

TITLE = "Table 3: what pretraining with dubs does to the understanding of long videos and of actions"
ERROR = "mean_squared_error"
SHORT = {
    "accuracy_percent": "%",
    "map_percent": "mAP",
    "auc_percent": "AUC",
    "chroma_accuracy_percent": "chroma %",
    ERROR: "MSE",
}


def main():
    """Read the flags, build the table, print it."""
    parser = cli.parser(__doc__)
    parser.add_argument("--metrics", nargs="+", required=True, help="metrics.json files")
    parser.add_argument("--runs", nargs="+", default=list(compare.RUNS), help="rows, in order")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--leave-out", nargs="*", default=[], help="benchmarks in the files that are not shown")
    parser.add_argument("--out", required=True, type=Path, help="the wide table, ending in .csv")
    cli.add_settings(parser, Settings)
    options = parser.parse_args()
    scores = read_scores(options.metrics)
    found = {one.benchmark for one in scores}
    left_out = {entry for name in options.leave_out for entry in entry_names(name, found)}
    scores = [one for one in scores if one.run in options.runs and one.benchmark not in left_out]
    scores = check_complete(scores, options.runs, options.seeds)
    print(formats.text(build(scores, options.runs, options.seeds, options.out, options.settings)))


def build(scores, runs, seeds, out, settings):
    """Write every form of the table and return its `formats.Block`s for reading.

    scores: {(run, seed, benchmark): Score}, complete.
    """
    columns = ordered({score.benchmark: score.metric for score in scores.values()})
    wide = [wide_row(scores, run, seeds, columns, settings) for run in runs]
    groups = {score.benchmark: score.group for score in scores.values()}
    blocks = reading(wide, columns, groups, len(seeds), settings)
    write_text(out, formats.csv_text(wide))
    write_text(out.with_suffix(".tidy.csv"), formats.csv_text(compare.tidy_rows(scores, settings)))
    write_text(out.with_suffix(".md"), formats.markdown(TITLE, blocks))
    write_text(out.with_suffix(".tex"), formats.latex(blocks))
    with atomic(out.with_suffix(".png")) as temporary:
        panels = {name: {run: [scores[run, s, name].value for s in seeds] for run in runs} for name in columns}
        chances = {name: scores[runs[0], seeds[0], name].chance for name in columns}
        units = {name: "mean squared error" if metric == ERROR else "percent" for name, metric in columns.items()}
        title = f"Corpus {settings.corpus}: dots are seeds, dashes the best constant answer"
        dots.draw(temporary, panels, title, units, chances)
    return blocks


def ordered(metrics):
    """Return {benchmark: metric} with LVU's tasks first, in the order of its papers."""
    place = {task: number for number, task in enumerate(LVU)}
    names = sorted(metrics, key=lambda name: (place.get(task_of(name), len(LVU)), list(metrics).index(name)))
    return {name: metrics[name] for name in names}


def task_of(benchmark):
    """Return the task of LVU that a benchmark's name ends in, or "" for another benchmark."""
    return next((task for task in LVU if benchmark.endswith(f"lvu-{task}")), "")


def wide_row(scores, run, seeds, columns, settings):
    """Return the row of one run: mean, sd, n, interval, chance and difference to the matched run per column.

    <benchmark>_<metric>_low and _high: the t-interval of the mean over seeds; _difference, _low and
    _high: of the difference to the run in the column `matched`, paired by seed; _chance, _majority: see `reading`.
    """
    other = compare.MATCHED.get(run, "")
    row = {"corpus": settings.corpus, "pretraining": run, "matched": other}
    for name, metric in columns.items():
        start, values = f"{name}_{metric}", [scores[run, seed, name].value for seed in seeds]
        mean, spread = mean_sd(values)
        _, low, high = t_interval(values, settings.confidence_percent)
        row |= {f"{start}_mean": mean, f"{start}_sd": spread, f"{start}_n": len(seeds)}
        first = scores[run, seeds[0], name]
        row |= {f"{start}_low": low, f"{start}_high": high, f"{start}_chance": first.chance}
        row[f"{start}_majority"] = float("nan") if first.majority is None else first.majority
        gains = [float("nan")] * len(seeds)
        if (other, seeds[0], name) in scores:
            gains = [value - scores[other, seed, name].value for value, seed in zip(values, seeds, strict=True)]
        found = t_interval(gains, settings.confidence_percent)
        row |= dict(zip((f"{start}_difference{end}" for end in ("", "_low", "_high")), found, strict=True))
    return row


def titled(columns, groups):
    """Return {title: {benchmark: metric}}: LVU's tasks, then the other benchmarks of each group of table 1."""
    kinds = {"LVU's tasks": {name: metric for name, metric in columns.items() if task_of(name)}}
    for group in GROUPS:
        mine = {name: metric for name, metric in columns.items() if groups[name] == group and not task_of(name)}
        kinds[f"{group.capitalize()} benchmarks"] = mine
    return {title: mine for title, mine in kinds.items() if mine}


def reading(wide, columns, groups, seeds, settings):
    """Return the blocks for reading, for each of `titled` the means, then the differences; groups: of benchmarks."""
    percent = f"{settings.confidence_percent:g} %"
    note = (
        f"Mean ± standard deviation over {seeds} seeds; % is top-1 accuracy (mean of the splits), "
        "MSE the mean squared error, lower is better. Chance is the best constant answer to the test clips: their most "
        "frequent class, or their variance. Majority is the constant that the training clips tell: their most frequent "
        "class, or their mean."
    )
    paired = (
        f"± half the width of the {percent} t-interval over {seeds} seeds, paired by seed; * marks intervals that "
        "exclude 0. For MSE a negative difference is an improvement."
    )
    blocks = []
    for title, mine in titled(columns, groups).items():
        title = f"{title}, corpus {settings.corpus}"
        header = ("pretraining", *(f"{task_of(name) or name} ({SHORT[metric]})" for name, metric in mine.items()))
        means = [(row["pretraining"], *(_mean(row, *pair) for pair in mine.items())) for row in wide]
        blocks.append(formats.Block(title, header, (*means, *_constants(wide[0], mine)), note))
        gains = [
            (f"{row['pretraining']} - {row['matched']}", *(_gain(row, *pair) for pair in mine.items()))
            for row in wide
            if row["matched"]
        ]
        blocks.append(formats.Block(f"{title}: differences", ("pretraining minus", *header[1:]), tuple(gains), paired))
    return blocks


def _constants(row, mine):
    """Return the rows of answers that do not look at a clip, where any benchmark of `mine` has them."""
    found = []
    for name in ("chance", "majority"):
        values = [row[f"{benchmark}_{metric}_{name}"] for benchmark, metric in mine.items()]
        if any(value == value for value in values):
            cells = (formats.number(v, _digits(m)) for v, m in zip(values, mine.values(), strict=True))
            found.append((name, *cells))
    return found


def _digits(metric):
    return 3 if metric == ERROR else 1


def _mean(row, name, metric):
    mean, spread = (formats.number(row[f"{name}_{metric}_{key}"], _digits(metric)) for key in ("mean", "sd"))
    return f"{mean} ± {spread}" if spread else mean


def _gain(row, name, metric):
    value, low, high = (row[f"{name}_{metric}_difference{end}"] for end in ("", "_low", "_high"))
    if low != low:
        return "" if value != value else formats.signed(value, _digits(metric))
    mark = "*" if low > 0 or high < 0 else ""
    return f"{formats.signed(value, _digits(metric))}{mark} ± {formats.number((high - low) / 2, _digits(metric))}"


if __name__ == "__main__":
    cli.run(main)
