"""How near the forecast of soundstage.paper.plan comes to a measured run that is twice as long, per stage.

    python benchmarks/plan.py [--folder FOLDER] [--films 2] [--only first|second|compare]

Makes the embedded corpus with some films, and with twice as many, and everything up to a small table 1,
both with two cores; forecasts the second run from the benchmark files of the first; prints both beside
each other. Hours are of the clock, so that the machine has to be quiet; with --only and --folder the two
runs can be made one at a time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas

from soundstage.paper import plan

ROOT = Path(__file__).resolve().parent.parent
OVERLAY = """\
corpus: {{name: plan}}
studio:
  films_train: {films}
  films_valid: {films}
  films_test: 0
  film_seconds: 60
  dubs_min: 3
  dubs_max: 3
  films_with_speedup: {films}
  films_with_cut: {films}
  films_with_insert: 0
  films_with_ambiguous: 0
"""
SMALL = ROOT / "tests" / "tiny.yaml", ROOT / "tests" / "slurm" / "overlay.yaml"


def make(folder, films):
    """Make the run with `films` films to train with and as many to validate with."""
    folder.mkdir(parents=True, exist_ok=True)
    overlay = folder / "overlay.yaml"
    overlay.write_text(OVERLAY.format(films=films))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--profile", str(ROOT / "workflow/profiles/local"), "--quiet", "all"]
    command += ["--configfile", *map(str, SMALL), str(overlay), "--", "results/table1.csv", "results/corpus.md"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run(command, cwd=folder, env=environment, check=True)


def measured(folder):
    """Return (hours of film, lines of plan.measured with the index stage, part) of a run."""
    table = plan.measured(plan.jobs(folder / "logs"), folder / "work")
    return plan.measured_hours(folder / "work"), table.set_index(["stage", "part"])


def compare(first, second):
    """Return a table per stage, and one per part: what was forecast and measured, and their ratios."""
    (short, before), (long, after) = measured(first), measured(second)
    forecast = plan.forecast(before, long / short)
    return [beside(forecast, after, names) for names in (["stage"], ["stage", "part"])]


def beside(forecast, after, names):
    """Return seconds and megabytes, forecast and measured, summed by the index levels `names`."""
    sums = [table.groupby(names)[["cpu_hours", "gigabytes"]].sum() for table in (forecast, after)]
    columns = {}
    for column, name, factor in (("cpu_hours", "seconds", 3600), ("gigabytes", "MB", 1000)):
        expected, found = (factor * table[column] for table in sums)
        columns |= {f"{name} forecast": expected, f"{name} measured": found, f"ratio of {name}": expected / found}
    return pandas.DataFrame(columns)


def main():
    """Make what is asked for and print the comparison."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--folder", type=Path, help="folder of the two runs (default: a temporary one)")
    arguments.add_argument("--films", type=int, default=2, help="films of each split in the first run (default: 2)")
    arguments.add_argument("--only", choices=("first", "second", "compare"), help="one step alone (default: all)")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        for name, factor in (("first", 1), ("second", 2)):
            if options.only in (None, name):
                make(folder / name, factor * options.films)
        if options.only in (None, "compare"):
            for table in compare(folder / "first", folder / "second"):
                print(table.to_string(float_format="{:.2f}".format), end="\n\n")


if __name__ == "__main__":
    main()
