"""How long the workflow takes to plan, and how much memory, for 10, 100 and 1,000 films of six languages.

    python benchmarks/dag.py [--films 10 100 1000]

Makes tables of films that do not exist but as empty files, in a folder that is removed afterwards,
and plans everything of all runs (`snakemake -n`). The second figure is what reading the Snakefile,
the configuration and the tables adds to an empty Snakefile, as every job on a cluster pays it.
Processor time is given too, because other work on the machine lengthens the other.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("en", "es", "fr", "de", "it", "ja")
EMPTY = "rule nothing:\n    shell:\n        'true'\n"


def write_corpus(folder, films):
    """Write films.tsv, tracks.tsv, an overlay and an empty media file per film."""
    (folder / "media").mkdir()
    rows, tracks = ["film\tpath\toriginal_language\tsplit"], ["film\tlanguage\tpath\tstream"]
    for index in range(films):
        film, first = f"film-{index:05d}", index % len(LANGUAGES)
        path = f"media/{film}.mkv"
        (folder / path).touch()
        rows.append(f"{film}\t{path}\t{LANGUAGES[first]}\ttrain")
        order = LANGUAGES[first:] + LANGUAGES[:first]
        tracks += [f"{film}\t{language}\t{path}\t{stream}" for stream, language in enumerate(order)]
    (folder / "films.tsv").write_text("\n".join(rows) + "\n")
    (folder / "tracks.tsv").write_text("\n".join(tracks) + "\n")
    (folder / "overlay.yaml").write_text("corpus: {name: many, films: films.tsv, tracks: tracks.tsv}\n")


def snakemake(folder, *arguments):
    """Run Snakemake; return (seconds, seconds of processor, peak megabytes, what it printed)."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    start = time.perf_counter()
    with open(folder / "out.txt", "w+") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        out.seek(0)
        text = out.read()
    if status:
        raise SystemExit(text[-3000:])
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text


def measure(films):
    """Return one line of figures for a corpus of so many films."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder, films)
        ours = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", "overlay.yaml"]
        seconds, processor, megabytes, text = snakemake(folder, *ours, "--dry-run", "--quiet", "rules", "--")
        jobs = int(text.split("\ntotal")[1].split()[0])
        (folder / "empty.smk").write_text(EMPTY)
        empty = min(snakemake(folder, "--snakefile", "empty.smk", "--list-rules")[1] for _ in range(3))
        read = min(snakemake(folder, *ours, "--list-rules")[1] for _ in range(3))
    figures = f"{films:6d} {jobs:7d} {seconds:11.1f} {processor:14.1f} {megabytes:8.0f} {1000 * processor / jobs:11.2f}"
    return f"{figures} {read - empty:17.2f}"


def main():
    """Print a line per size."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--films", type=int, nargs="+", default=[10, 100, 1000], help="sizes (default: 10 100 1000)")
    print(" films    jobs  dry run, s  processor, s  peak MB  ms per job  adds to empty, s", flush=True)
    for films in arguments.parse_args().films:
        print(measure(films), flush=True)


if __name__ == "__main__":
    main()
