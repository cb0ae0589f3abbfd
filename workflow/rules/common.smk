# Read and check the configuration and the two tables; helpers that rules share. No rules here.
# What is checked and how it is said: src/soundstage/config.py.

import re
import shlex
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir, "src")))

from soundstage import config as configuration
from soundstage.errors import UserError
from soundstage.recipe import recipe
from soundstage.settings import dumps

# Rules run the code beside this workflow with the Python that runs Snakemake, so that nothing need
# be activated; with --sdm conda each rule's own environment gives the Python instead.
exports = f"export PYTHONPATH={shlex.quote(str(Path(workflow.basedir, 'src')))}; "
if "conda" not in {str(method) for method in workflow.deployment_settings.deployment_method}:
    exports += f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; '
shell.prefix(exports)


def load_tables():
    """Return (rows of films, rows of tracks) of a configuration that has passed every check."""
    schema = yaml.safe_load(
        Path(f"{workflow.basedir}/workflow/schemas/config.schema.yaml").read_text()
    )
    try:
        configuration.drop_removed(config)
        configuration.check(config, schema)
        films = configuration.read_films(config)
        return films, configuration.read_tracks(config, films)
    except UserError as error:
        raise WorkflowError(str(error)) from None


FILM_ROWS, TRACK_ROWS = load_tables()
FILM_OF = {row["film"]: row for row in FILM_ROWS}
TRACKS_OF = {film: {} for film in FILM_OF}
for row in TRACK_ROWS:
    TRACKS_OF[row["film"]][row["language"]] = row

FILMS = list(FILM_OF)
LANGUAGES = sorted({row["language"] for row in TRACK_ROWS})
DUBS = [
    (film, language)
    for film, tracks in TRACKS_OF.items()
    for language in tracks
    if language != FILM_OF[film]["original_language"]
]
IS_STUDIO = config["corpus"]["films"] == "studio"
RUNS = list(config["pretrain"]["runs"])
SEEDS = config["pretrain"]["seeds"]
BENCHMARKS = list(config["evaluate"]["benchmarks"])
FOLDERS = config["evaluate"]["folders"]
STUDIO_BENCHMARKS = [
    name for name, entry in config["evaluate"]["benchmarks"].items() if entry["folder"] == "studio"
]
# The tracks of which some run uses the version without speech: the originals, if any run does.
NOSPEECH = [
    (film, row["original_language"])
    for film, row in FILM_OF.items()
    if "speech_removed" in {run.get("views") for run in config["pretrain"]["runs"].values()}
]
PARTS = range(config["shards"]["parts_per_film"])
# What a training reads, and the run whose towers it begins with (no run, or one).
TRAINED_ON = [f"work/pretrain/inputs/{film}.npz" for film in FILMS]
if config["pretrain"]["loader"]["stream"]:
    TRAINED_ON = [f"work/shards/{film}-{part}.tar" for film in FILMS for part in PARTS]
STARTS = {
    name: [run["start_from"]] if run.get("start_from") else []
    for name, run in config["pretrain"]["runs"].items()
}


def any_of(names):
    """Return a pattern that matches exactly these names."""
    return "|".join(map(re.escape, names)) or "none"


wildcard_constraints:
    film=any_of(FILMS),
    language=any_of(LANGUAGES),
    run=any_of(RUNS),
    seed=r"\d+",
    part=r"\d+",
    benchmark=any_of(BENCHMARKS),
    folder=any_of(FOLDERS),


def settings(section, only=None, leave_out=(), **more):
    """Return a params function that gives a section of the configuration as canonical JSON.

    A function, because Snakemake would take the braces of a plain string for wildcards. `only`
    names the keys that a rule reads, so that others do not rerun it.
    """
    kept = {
        key: value
        for key, value in config[section].items()
        if key in (only or config[section]) and key not in leave_out
    }
    return lambda wildcards: dumps({**kept, **more})


def original(wildcards):
    """Return the original language of a film."""
    return FILM_OF[wildcards.film]["original_language"]


def media_of(film):
    """Return the files or the folder that a film's picture and tracks are read from."""
    if IS_STUDIO:
        return [f"work/studio/films/{film}"]
    return sorted({FILM_OF[film]["path"], *(row["path"] for row in TRACKS_OF[film].values())})


def dubs_of(film):
    """Return the languages of a film's dubs, sorted."""
    return sorted(language for name, language in DUBS if name == film)


def benchmark_folder(name):
    """Return the folder of a benchmark: the embedded corpus's, or the user's."""
    folder = config["evaluate"]["benchmarks"][name]["folder"]
    return f"work/studio/benchmarks/{name}" if folder == "studio" else folder


RESULTS = (
    ["results/corpus.md"]
    + ["results/table1.csv"] * bool(BENCHMARKS)
    + ["results/studio.png"] * IS_STUDIO
    + expand("work/evaluate/{run}/{seed}/{folder}.parquet", run=RUNS, seed=SEEDS, folder=FOLDERS)
)
