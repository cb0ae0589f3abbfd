"""Wall time, CPU time and peak memory of every rule, from the benchmark files of a run.

python -m soundstage.paper.cost --logs logs [--out cost.csv]
"""

from pathlib import Path

import pandas

from soundstage.cli import parser, run
from soundstage.errors import UserError
from soundstage.files import atomic


def read(folder):
    """Return one line per job: stage, job, seconds, cpu_seconds, peak_megabytes."""
    rows = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        last = pandas.read_csv(path, sep="\t").iloc[-1]
        rows.append(
            {
                "stage": path.relative_to(folder).parts[0],
                "job": path.stem,
                "seconds": float(last["s"]),
                "cpu_seconds": pandas.to_numeric(last["cpu_time"], errors="coerce"),
                "peak_megabytes": pandas.to_numeric(last["max_rss"], errors="coerce"),
            }
        )
    if not rows:
        raise UserError("expected benchmark files of a run, found none", folder, "run first")
    return pandas.DataFrame(rows)


def summary(jobs):
    """Return one line per stage and kind of job: jobs, seconds in all, longest, peak memory."""
    kind = jobs["job"].str.extract("^(inputs|sheet|table|corpus)")[0].fillna("")
    groups = jobs.assign(kind=kind).groupby(["stage", "kind"], sort=True)
    return groups.agg(
        jobs=("job", "size"),
        seconds_sum=("seconds", "sum"),
        seconds_max=("seconds", "max"),
        cpu_seconds_sum=("cpu_seconds", "sum"),
        peak_megabytes=("peak_megabytes", "max"),
    ).round(1)


def main():
    """Print the summary and write it where asked."""
    arguments = parser(__doc__)
    arguments.add_argument("--logs", default="logs", help="folder of logs (default: logs)")
    arguments.add_argument("--out", type=Path, help="CSV to write")
    options = arguments.parse_args()
    table = summary(read(options.logs))
    print(table.to_string())
    if options.out:
        with atomic(options.out) as temporary:
            table.to_csv(temporary)


if __name__ == "__main__":
    run(main)
