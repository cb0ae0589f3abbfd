"""How near the forecast of soundstage.paper.plan comes to a measured run that is twice as long, per stage.

    python benchmarks/plan.py [--folder FOLDER] [--films 2] [--only first|second|compare]

Makes the embedded corpus with some films, and with twice as many, and everything up to a small table 1,
both with two cores; forecasts the second run from the benchmark files of the first; prints both beside
each other, by the clock and by the processor time that Snakemake saw. The clock wants a quiet machine; with
--only and --folder the two runs can be made one at a time.
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


def measured(folder, column):
    """Return (hours of film, lines of plan.measured with the index stage, part) of a run, by one of its clocks."""
    table = plan.measured(plan.jobs(folder / "logs", column), folder / "work")
    return plan.measured_hours(folder / "work"), table.set_index(["stage", "part"])


def compare(first, second, names):
    """Return seconds of the clock, of processors, and MB, forecast and measured, summed by the index levels `names`."""
    columns = {}
    for clock, words in (("s", "seconds"), ("cpu_time", "processor seconds")):
        (short, before), (long, after) = measured(first, clock), measured(second, clock)
        forecast = plan.forecast(before, long / short)
        columns |= beside(words, 3600 * forecast["cpu_hours"], 3600 * after["cpu_hours"], names)
    return pandas.DataFrame(columns | beside("MB", 1000 * forecast["gigabytes"], 1000 * after["gigabytes"], names))


def beside(words, forecast, found, names):
    """Return what was forecast and measured as columns, with their ratio."""
    expected, found = (column.groupby(names).sum() for column in (forecast, found))
    return {f"{words} forecast": expected, "measured " + words: found, f"ratio of {words}": expected / found}


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
            for names in (["stage"], ["stage", "part"]):
                table = compare(folder / "first", folder / "second", names)
                print(table.to_string(float_format="{:.2f}".format), end="\n\n")


if __name__ == "__main__":
    main()
