"""What a corpus of so many hours will cost per stage, from the benchmark files of a run that was measured.

python -m soundstage.paper.plan --hours 1000 [--logs logs] [--work work] [--out plan.csv]

Work on films is taken to grow with their hours, at the measured number of dubs and length of a film;
trainings, evaluations and event parsing are counted as measured, because their length is set by the
configuration and not by the films; the column `grows` says what was taken to grow. CPU-hours are hours of a
job times its threads (and its tasks, where it had several), which is what a cluster counts; GPU-hours are
hours times the GPUs that the job asked for, 0 where the measured run used none. Threads and GPUs stand in
benchmark files that a profile of ours has made (`benchmark-extended`); without them a job is counted as one
thread and no GPU.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pandas

from soundstage.cli import parser, run
from soundstage.errors import UserError
from soundstage.files import atomic, read_json


class Part(NamedTuple):
    """A kind of job: its stage, pattern of its benchmark files, the folders it fills, and what grows with the films.

    grows: "jobs", there are more of them; "work", they are as many but each takes longer; "no".
    """

    stage: str
    part: str
    logs: str
    folders: tuple
    grows: str


# The first part whose pattern fits a benchmark file or folder counts it.
PARTS = (
    Part("studio", "films", r"studio/film-.*", ("studio/films",), "jobs"),
    Part("studio", "benchmarks", r"studio/.*", ("studio",), "no"),
    Part("films", "list", r"films/list", ("films/films.txt",), "no"),
    Part("films", "tracks", r"films/.*", ("films",), "jobs"),
    Part("align", "tracks", r"align/.*", ("align",), "jobs"),
    Part("clips", "films", r"clips/.*", ("clips",), "jobs"),
    Part("nospeech", "tracks", r"nospeech/.*", ("nospeech",), "jobs"),
    Part("shards", "films", r"shards/.*", ("shards",), "jobs"),
    Part("pretrain", "inputs", r"pretrain/(inputs|remix)-.*", ("pretrain/inputs", "pretrain/remix"), "jobs"),
    Part("pretrain", "runs", r"pretrain/.*", ("pretrain",), "no"),
    Part("teachers", "scores", r"teachers/(.*/)?scores-.*", ("teachers/scores", "teachers/ave/scores"), "no"),
    Part("teachers", "features", r"teachers/(.*/)?features-.*", ("teachers/features", "teachers/ave/features"), "no"),
    Part("teachers", "labels", r"teachers/.*", ("teachers",), "no"),
    Part("parse", "features", r"parse/(.*/)?features-.*", ("parse/features", "parse/ave/features"), "no"),
    Part("parse", "variants", r"parse/.*", ("parse",), "no"),
    Part("evaluate", "inputs", r"evaluate/inputs-.*", ("evaluate/inputs",), "no"),
    Part("evaluate", "retrieval", r"evaluate/.*-retrieval", (), "work"),
    Part("evaluate", "runs", r"evaluate/.*", ("evaluate",), "no"),
    Part("paper", "corpus", r"paper/corpus", (), "work"),
    Part("paper", "tables", r"paper/.*", (), "no"),
)


def measured_hours(work):
    """Return the hours of film in a run's work folder, from the probes of stage films; UserError without any."""
    probes = [read_json(path) for path in sorted(Path(work, "films").glob("*/probe.json"))]
    seconds = sum(probe["picture"]["seconds"] for probe in probes if probe.get("picture"))
    if not seconds:
        raise UserError(
            "expected films that a run has probed, found none", Path(work, "films"), "run `snakemake films`"
        )
    return seconds / 3600


def jobs(logs, column="s"):
    """Return one line per benchmark file: job (stage/name), hours, threads (of all its tasks), gpus.

    column: the clock "s", or "cpu_time", the processor time that Snakemake saw in its looks at the job,
    which misses processes that end between two looks but does not depend on what else the machine does.
    """
    rows = []
    for path in sorted(Path(logs).rglob("*.tsv")):
        last = pandas.read_csv(path, sep="\t").iloc[-1]
        name = path.relative_to(logs).with_suffix("").as_posix()
        resources = str(last.get("resources", ""))
        threads = int(last.get("threads", 1)) * max(1, _asked("tasks", resources))
        rows.append((name, _number(last[column]) / 3600, threads, _asked("gpu", resources)))
    if not rows:
        raise UserError("expected benchmark files of a run, found none", logs, "run first")
    return pandas.DataFrame(rows, columns=["job", "hours", "threads", "gpus"])


def _number(value):
    """Return a figure of a benchmark file; 0 where a job was too short for a look at it."""
    number = pandas.to_numeric(value, errors="coerce")
    return 0.0 if pandas.isna(number) else float(number)


def _asked(name, resources):
    """Return a whole number out of the text of a job's resources, 0 where it is not there."""
    found = re.search(rf"\b{name}\W+(\d+)", resources)
    return int(found[1]) if found else 0


def measured(found, work):
    """Return one line per part that the run has: jobs, cpu_hours, gpu_hours, gigabytes, grows.

    found: the lines of jobs(); work: the folder whose files are counted.
    """
    left, seen, rows = found, set(), []
    for part in PARTS:
        mine = left["job"].str.fullmatch(part.logs)
        chosen, left = left[mine], left[~mine]
        gigabytes = sum(_bytes(Path(work, folder), seen) for folder in part.folders) / 1e9
        if len(chosen):
            cpu_hours = (chosen["hours"] * chosen["threads"]).sum()
            gpu_hours = (chosen["hours"] * chosen["gpus"]).sum()
            rows.append((part.stage, part.part, len(chosen), cpu_hours, gpu_hours, gigabytes, part.grows))
    names = ["stage", "part", "jobs", "cpu_hours", "gpu_hours", "gigabytes", "grows"]
    return pandas.DataFrame(rows, columns=names)


def _bytes(path, seen):
    """Return the bytes of a file or of all files below a folder that are not in `seen`, and add them to it."""
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    new = [item for item in files if item not in seen]
    seen.update(new)
    return sum(item.stat().st_size for item in new)


def forecast(table, factor):
    """Return the lines of measured() for a corpus `factor` times as long."""
    result = table.copy()
    for name in ("jobs", "cpu_hours", "gpu_hours", "gigabytes"):
        grown = table["grows"].isin(["jobs"] if name == "jobs" else ["jobs", "work"])
        result[name] = table[name].where(~grown, table[name] * factor)
    result["jobs"] = result["jobs"].round().astype(int)
    return result


def main():
    """Print what was measured and the forecast, and write the forecast where asked."""
    arguments = parser(__doc__)
    arguments.add_argument("--hours", type=float, required=True, help="hours of film of the corpus that is planned")
    arguments.add_argument("--logs", default="logs", help="logs of the measured run (default: logs)")
    arguments.add_argument("--work", default="work", help="its work folder (default: work)")
    arguments.add_argument("--out", type=Path, help="CSV to write")
    options = arguments.parse_args()
    if options.hours <= 0:
        raise UserError(f"expected more than 0 hours, found {options.hours:g}", "--hours")
    hours = measured_hours(options.work)
    table = measured(jobs(options.logs), options.work)
    plan = forecast(table, options.hours / hours)
    print(f"measured in {options.logs} and {options.work}, {hours:.2f} hours of film:\n{_text(table)}\n")
    print(f"forecast for {options.hours:g} hours of film, on machines like those of the measured run:\n{_text(plan)}")
    if options.out:
        with atomic(options.out) as temporary:
            plan.to_csv(temporary, index=False)


def _text(table):
    shown = table.drop(columns="grows").assign(grows=table["grows"].replace("no", ""))
    total = table[["jobs", "cpu_hours", "gpu_hours", "gigabytes"]].sum()
    sums = pandas.DataFrame([{"stage": "all", "part": "", **total, "grows": ""}])
    both = pandas.concat([shown, sums]).astype({"jobs": int})
    return both.to_string(index=False, float_format="{:.3f}".format)


if __name__ == "__main__":
    run(main)
