"""Build the table of HEAR's tasks of time stamps, which are outside of what the towers are made for.

python -m soundstage.paper.timestamps --found work/evaluate/*/*/timestamps.json --out results/timestamps.csv

Beside timestamps.csv it writes timestamps.tidy.csv, .md and .tex, and prints the table at its end. Nothing is
written unless every run has every seed and task.
"""


from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import read_json, sha256, write_text
from soundstage.paper import flags, formats
from soundstage.paper.statistics import mean_sd

TITLE = "HEAR's tasks of time stamps"
SHORT = {"onset": "onsets", "onset_and_end": "onsets and ends"}


def main():
    """Read the flags, build the table, print it."""
    options = flags.of_runs(__doc__, "timestamps.json").parse_args()
    print(formats.text([build(read(options.found), options)]))


def read(paths):
    """Return the entries of all files, each with the file that it was read from and that file's hash."""
    return [entry | {"source": str(path), "sha256": sha256(path)} for path in paths for entry in read_json(path)]


def build(entries, options):
    """Write every form of the table and return its `formats.Block`."""
    columns = list(dict.fromkeys((entry["benchmark"], entry["metric"]) for entry in entries))
    found = {(e["run"], e["seed"], e["benchmark"], e["metric"]): e for e in entries}
    wanted = [(run, seed, *column) for run in options.runs for seed in options.seeds for column in columns]
    missing = [f"{key[0]}, seed {key[1]}, {key[2]}" for key in wanted if key not in found]
    if missing:
        raise UserError(f"scores are missing: {'; '.join(missing[:10])}", fix="score these runs and seeds first")
    wide = [wide_row(found, run, columns, options) for run in options.runs]
    tidy = [
        {"corpus": "HEAR", **{key: found[one][key] for key in ("run", "seed", "benchmark", "metric", "value", "n")}}
        | {key: found[one][key] for key in ("source", "sha256")}
        for one in wanted
    ]
    note = f"F in percent, mean ± standard deviation over {len(options.seeds)} seeds; {entries[0]['note']}."
    header = ("pretraining", *(f"{name}, {_said(metric)}" for name, metric in columns))
    block = formats.Block(TITLE, header, tuple(_line(row, columns) for row in wide), note)
    write_text(options.out, formats.csv_text(wide))
    write_text(options.out.with_suffix(".tidy.csv"), formats.csv_text(tidy))
    write_text(options.out.with_suffix(".md"), formats.markdown(TITLE, [block]))
    write_text(options.out.with_suffix(".tex"), formats.latex([block]))
    return block


def wide_row(found, run, columns, options):
    """Return the row of one run: mean, sd and n over seeds of every task and metric."""
    row = {"corpus": "HEAR", "pretraining": run}
    for name, metric in columns:
        mean, spread = mean_sd([found[run, seed, name, metric]["value"] for seed in options.seeds])
        row |= {f"{name}_{metric}_{key}": value for key, value in (("mean", mean), ("sd", spread))}
        row[f"{name}_{metric}_n"] = len(options.seeds)
    return row


def _said(metric):
    kind, _, rest = metric.partition("_f_")
    return f"{SHORT[kind]} within {rest.removesuffix('_percent').removesuffix('ms')} ms"


def _line(row, columns):
    cells = []
    for name, metric in columns:
        mean, spread = (formats.number(row[f"{name}_{metric}_{key}"], 1) for key in ("mean", "sd"))
        cells.append(f"{mean} ± {spread}" if spread else mean)
    return row["pretraining"], *cells


if __name__ == "__main__":
    cli.run(main)
