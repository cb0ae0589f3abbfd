"""How long the workflow takes to plan, and how much memory, for 10, 100 and 1,000 films of six languages.

    python benchmarks/dag.py [--films 10 100 1000]

Makes tables of films that do not exist but as empty files, in a folder that is removed afterwards,
and plans everything of all runs and tables (`snakemake -n`, with the Python that runs this). The last
figure is what reading the Snakefile, the configuration and the tables adds to an empty Snakefile, as
every job on a cluster pays it. Processor time is given too, because other work on the machine lengthens
the other. Growth is of a size over the size before it: of films, jobs, files and processor time.
"""

import argparse
import os
import re
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
    """Return the figures of a corpus of so many films by their names."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder, films)
        ours = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", "overlay.yaml"]
        seconds, processor, megabytes, text = snakemake(folder, *ours, "--dry-run", "--")
        (folder / "empty.smk").write_text(EMPTY)
        empty = min(snakemake(folder, "--snakefile", "empty.smk", "--list-rules")[1] for _ in range(3))
        read = min(snakemake(folder, *ours, "--list-rules")[1] for _ in range(3))
    figures = {"films": films, "jobs": int(text.split("\ntotal")[1].split()[0]), "files": len(made(text))}
    figures |= {"dry run, s": seconds, "processor, s": processor, "peak MB": megabytes}
    return figures | {"adds to empty, s": read - empty}


def made(text):
    """Return the files and folders that the jobs of a dry run would make."""
    return {name for names in re.findall(r"^    output: (.+)$", text, re.M) for name in names.split(", ")}


def main():
    """Print a line per size, and one of growth between two."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--films", type=int, nargs="+", default=[10, 100, 1000], help="sizes (default: 10 100 1000)")
    before = None
    for films in arguments.parse_args().films:
        found = measure(films)
        if before is None:
            print(" ".join(f"{name:>16}" for name in found), flush=True)
        else:
            grown = {name: found[name] / before[name] for name in ("films", "jobs", "files", "processor, s")}
            print(" ".join(f"{f'x {grown[name]:.1f}' if name in grown else '':>16}" for name in found), flush=True)
        print(" ".join(f"{value:16.{0 if float(value).is_integer() else 2}f}" for value in found.values()), flush=True)
        before = found


if __name__ == "__main__":
    main()
