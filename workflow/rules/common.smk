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
from soundstage.files import sha256
from soundstage.memo import fingerprint, remembered
from soundstage.nospeech.load import weights_files
from soundstage.recipe import recipes, sources
from soundstage.settings import dumps

# Rules run the code beside this workflow with the Python that runs Snakemake, so that nothing need
# be activated; with --sdm conda each rule's own environment gives the Python instead.
exports = f"export PYTHONPATH={shlex.quote(str(Path(workflow.basedir, 'src')))}; "
if "conda" not in {str(method) for method in workflow.deployment_settings.deployment_method}:
    exports += f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; '
# In a job of SLURM, which has its scratch on the node's own disk, files are written there and moved once.
exports += 'if [ -n "${{SLURM_JOB_ID:-}}" ]; then export SOUNDSTAGE_SCRATCH="$TMPDIR"; fi; '
# SLURM ends a job with a signal to all of its processes. The shell waits for the command, which saves a
# checkpoint, and the log is written until the command has ended.
exports += "trap : TERM USR1; tee() {{ trap '' TERM USR1; exec tee \"$@\"; }}; "
shell.prefix(exports)


# Every job on a cluster reads this file again. What takes long, checking and hashing, is done once per
# change and remembered in STATE under a fingerprint of all that it depends on.
STATE = Path(".snakemake", "soundstage")
CODE = fingerprint(sources())
RECIPES = remembered(STATE / "recipes.json", CODE, recipes)


def recipe(module):
    """Return the hash of a module's code and of all that it imports from the package."""
    return RECIPES[module]


def outside(paths):
    """Return files or folders that are not made here; where one is missing, say so, and who says more."""
    paths = [paths] if isinstance(paths, str) else list(paths)
    missing = [path for path in paths if not Path(path).exists()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise WorkflowError(
            f"{missing[0]}{more}: not there, and not made by this workflow. {ask_doctor()}"
        )
    return paths


def ask_doctor():
    """Return the command that says what a configuration lacks, and what it says."""
    named = " ".join(shlex.quote(str(path)) for path in workflow.overwrite_configfiles)
    return (
        "What else is missing, how large it is, who publishes it and which key to set:\n"
        f"  python -m soundstage.evaluate.doctor --config {named or 'config.yaml'}"
    )


def load_tables():
    """Return (rows of films, rows of tracks) of a configuration that has passed every check.

    Without a table there are none where event parsing is configured, whose tables need no film and are made
    all the same; what needs films asks for them by `outside`.
    """
    schema = Path(f"{workflow.basedir}/workflow/schemas/config.schema.yaml")
    configuration.drop_removed(config)
    files = configuration.table_files(config)
    read = [schema, *files]
    try:
        parse = config["parse"]
        if (parse["annotations"] or parse["ave"]["annotations"]) and not all(
            Path(path).is_file() for path in files
        ):
            configuration.check(config, yaml.safe_load(schema.read_text()))
            return [], []
        return remembered(
            STATE / "tables.json",
            fingerprint(read, CODE, repr(config)),
            lambda: configuration.checked_tables(config, yaml.safe_load(schema.read_text())),
        )
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
DUBS_OF = {film: [] for film in FILM_OF}
for film, language in sorted(DUBS):
    DUBS_OF[film].append(language)
# The list of films, for targets that would have nothing to do without a table: it asks for the table.
NO_FILMS = [] if FILMS else ["work/films/films.txt"]
HELD_OUT = [row["film"] for row in FILM_ROWS if row["split"] != "train"]
IS_STUDIO = config["corpus"]["films"] == "studio"
RUNS = list(config["pretrain"]["runs"])
SEEDS = config["pretrain"]["seeds"]
# Runs that table 2 alone shows, and its rows; every run by its name.
ABLATION = list(config["pretrain"]["ablation"])
RUN_OF = {**config["pretrain"]["runs"], **config["pretrain"]["ablation"]}
TABLE2 = config["pretrain"]["table2"]
TABLE2_SEEDS = config["pretrain"]["ablation_seeds"]
BENCHMARKS = list(config["evaluate"]["benchmarks"])
FOLDERS = config["evaluate"]["folders"]
# Benchmarks of table 3 alone, and every benchmark by its name.
TABLE3 = list(config["evaluate"]["table3"])
TABLE3_SHARED = config["evaluate"]["table3_shared"]
BENCHMARK_OF = {**config["evaluate"]["benchmarks"], **config["evaluate"]["table3"]}
STUDIO_BENCHMARKS = [name for name, entry in BENCHMARK_OF.items() if entry["folder"] == "studio"]
# What of the section `evaluate` says which benchmarks there are, not how they are scored.
BENCHMARK_KEYS = (
    "benchmarks",
    "table3",
    "table3_shared",
    "folders",
    "timestamps",
    "timestamps_hop_ms",
)
TIMESTAMPS = config["evaluate"]["timestamps"]
# The probes of the benchmarks that have their own, one or several.
PROBES = {
    name: [entry["probe"]] if isinstance(entry["probe"], str) else entry["probe"]
    for name, entry in BENCHMARK_OF.items()
    if "probe" in entry
}
# The tracks of which some run uses the version without speech: the originals, if any run does.
SPEECH_REMOVED = "speech_removed" in {
    run.get("views") for run in config["pretrain"]["runs"].values()
}
NOSPEECH_OF = {film: [row["original_language"]] * SPEECH_REMOVED for film, row in FILM_OF.items()}
# Runs that hear a remix of the original, and how it is made.
REMIX_SETTINGS = ("remix_speech_db", "remix_gain_db", "remix_equaliser_db")
REMIXED = [name for name, run in RUN_OF.items() if run.get("views") == "remix"]
NOSPEECH = [(film, language) for film, found in NOSPEECH_OF.items() for language in found]
PARTS = range(config["shards"]["parts_per_film"])
# What a training reads, and the run whose towers it begins with (no run, or one).
IS_STREAM = config["pretrain"]["loader"]["stream"]
TRAINED_ON_OF_FILM = (
    [f"work/shards/{{film}}-{part}.tar" for part in PARTS]
    if IS_STREAM
    else ["work/pretrain/inputs/{film}.npz"]
)
TRAINED_ON = [path.format(film=film) for film in FILMS for path in TRAINED_ON_OF_FILM]
STARTS = {
    name: [run["start_from"]] if run.get("start_from") else [] for name, run in RUN_OF.items()
}

# Event parsing: without annotations there is none of it.
PARSER_INPUTS = ("audio", "visual_2d", "visual_3d")
TABLE3_SIZES = ("lvu_movies", "hmdb51_clips")  # of the embedded corpus
LLP_SIZES = ("llp_train", "llp_val", "llp_test")
AVE_SIZES = ("ave_train", "ave_val", "ave_test")
CLIP_COUNTS = ("benchmark_clips", "benchmark_video_clips")  # of benchmarks: no film depends on them
IS_STUDIO_LLP = config["parse"]["annotations"] == "studio"
ANNOTATIONS = "work/studio/llp/annotations" if IS_STUDIO_LLP else config["parse"]["annotations"]
AVE = config["parse"]["ave"]
AVE_ANNOTATIONS = (
    "work/studio/ave/annotations" if AVE["annotations"] == "studio" else AVE["annotations"]
)
# What is made of LLP lies in work/teachers and work/parse, what is made of AVE in a folder ave below
# them: rules for both have a wildcard `data`, which is "" or "ave/".
ANNOTATIONS_OF = {"": ANNOTATIONS, "ave/": AVE_ANNOTATIONS}
IS_PARSING = bool(ANNOTATIONS or AVE_ANNOTATIONS)
LABELS = config["teachers"]["labels"] if IS_PARSING else {}
FEATURES = config["parse"]["features"] if IS_PARSING else {}
VARIANTS = {
    name: entry
    for name, entry in config["parse"]["variants"].items()
    if (AVE_ANNOTATIONS if entry.get("data") == "ave" else ANNOTATIONS)
}
DATA_OF = {name: "ave/" if entry.get("data") == "ave" else "" for name, entry in VARIANTS.items()}
PARSE_SEEDS = config["parse"]["seeds"]
HARVESTED = [name for name, entry in LABELS.items() if "rule" in entry]
HARVEST_SHARDS = range(config["teachers"]["shards"])
AVE_FILES = [
    "Annotations.txt",
    *(f"{split}_order.h5" for split in ("train", "val", "test")),
    "labels.h5",
    "mil_labels.h5",
]
# Features that the workflow extracts itself: kind -> weights. Those of the towers of a pretraining run, whose
# weights are the run's name, are made and learnt from by seed, for table 8 alone.
TOWER_PARTS = {"tower_audio": "audio", "tower_picture": "picture"}
RUNS_OF_FEATURES = {
    name: {
        weights
        for kind, _, weights in (entry[key].partition("=") for key in PARSER_INPUTS)
        if kind in TOWER_PARTS
    }
    for name, entry in FEATURES.items()
}
TOWER_FEATURES = [name for name, runs in RUNS_OF_FEATURES.items() if runs]
TABLE8 = config["parse"]["table8"] if ANNOTATIONS else []
TABLE8_SEEDS = config["parse"]["table8_seeds"]
TOWER_VARIANTS = [
    name for name, entry in VARIANTS.items() if entry.get("features") in TOWER_FEATURES
]
# What each row of table 8 reads and learns from.
ABOUT_TABLE8 = {
    name: {
        "towers": "+".join(sorted(RUNS_OF_FEATURES[VARIANTS[name].get("features", "standard")])),
        "labels": VARIANTS[name].get("labels") or "weak",
    }
    for name in TABLE8
    if name in VARIANTS
}
EXTRACTED = {
    kind: weights
    for entry in FEATURES.values()
    for kind, equals, weights in (entry[key].partition("=") for key in PARSER_INPUTS)
    if equals and kind not in TOWER_PARTS
}
ANNOTATION_NAMES = ["train", "val_pd", "test_pd", "eval_audio", "eval_visual"]
ANNOTATION_FILES_OF = {
    "": [f"{ANNOTATIONS}/AVVP_{name}.csv" for name in ANNOTATION_NAMES],
    "ave/": [f"{AVE_ANNOTATIONS}/{name}" for name in AVE_FILES if not name.endswith("labels.h5")],
}
ANNOTATION_FILES = ANNOTATION_FILES_OF[""]
FIDELITY = [
    f"work/teachers/fidelity/{name}.json"
    for name in ["weak_broadcast", *config["parse"]["table6"]]
    if ANNOTATIONS
]


# Pictures of single test videos, with the parsers of table 4 and the labels that they learn from.
TIMELINE_PARSERS = config["parse"]["table4"] if ANNOTATIONS else []
TIMELINE_LABELS = list(
    dict.fromkeys(
        VARIANTS[name]["labels"]
        for name in TIMELINE_PARSERS
        if name in VARIANTS and VARIANTS[name].get("labels")
    )
)
TIMELINES = [
    f"results/timeline-{number}.png"
    for number in range(1, config["paper"]["timeline_videos"] + 1)
    if TIMELINE_PARSERS
]


def any_of(names):
    """Return a pattern that matches exactly these names."""
    return "|".join(map(re.escape, names)) or "none"


wildcard_constraints:
    # not the films of the table, because Snakemake would copy so long a pattern into every path;
    # film_row() refuses others
    film=configuration.FILM_ID,
    language=any_of(LANGUAGES),
    run=any_of(RUN_OF),
    seed=r"\d+",
    part=r"\d+",
    benchmark=any_of(BENCHMARK_OF),
    folder=any_of(FOLDERS),
    labels=any_of(LABELS),
    features=any_of(FEATURES),
    variant=any_of(VARIANTS),
    shard=r"\d+",
    split="train|val|test",
    data="(ave/)?",


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
    text = dumps({**kept, **more})
    return lambda wildcards: text


def table_settings(corpus):
    """Return a params function with what tables are computed with, as canonical JSON."""
    return settings("paper", leave_out=("timeline_videos",), corpus=corpus)


def as_json(values):
    """Return a params function that gives values as canonical JSON; see `settings`."""
    text = dumps(values)
    return lambda wildcards: text


def megabytes(first):
    """Return a function of a job's memory in MB: `first`, twice that at the second attempt, and so on."""
    return lambda wildcards, attempt: first * attempt


def film_row(film):
    """Return a film's row of the table; a WorkflowError for a film that is not in it."""
    if film not in FILM_OF:
        raise WorkflowError(
            f"film {film!r} is not in the table of films ({config['corpus']['films']})"
        )
    return FILM_OF[film]


def original(wildcards):
    """Return the original language of a film."""
    return film_row(wildcards.film)["original_language"]


def media_of(film):
    """Return the files or the folder that a film's picture and tracks are read from."""
    path = film_row(film)["path"]
    if IS_STUDIO:
        return [f"work/studio/films/{film}"]
    return outside(sorted({path, *(row["path"] for row in TRACKS_OF[film].values())}))


def film_tables(wildcards):
    """Return the tables that the user keeps: none for the embedded corpus."""
    return outside(configuration.table_files(config))


def separator_files(wildcards):
    """Return the files of a separator that the user keeps: none where it is the package's or the hub's."""
    folder, name = config["nospeech"]["separator"], config["nospeech"]["name"]
    if folder in ("shipped", "hub"):
        return []
    try:
        weights = weights_files(*outside(folder), name)
    except UserError as error:
        raise WorkflowError(f"{error}\n{ask_doctor()}") from None
    bag = Path(folder, f"{name}.yaml")
    return [str(path) for path in [*weights, *([bag] if bag.is_file() else [])]]


def remixes_of(wildcards):
    """Return the remixed clips of every film for a run that hears them, nothing for the others."""
    if wildcards.run not in REMIXED:
        return []
    if IS_STREAM:
        raise WorkflowError(
            f"run {wildcards.run!r} hears a remix, which is not in the shards: set "
            "pretrain.loader.stream to false, or the run to null"
        )
    return expand("work/pretrain/remix/{film}.npz", film=FILMS)


def videos_of(wildcards):
    """Return the folder in which the videos of a shard lie: the embedded corpus's part, or the user's."""
    name = "ave" if wildcards.data else "llp"
    folder = AVE["videos"] if wildcards.data else config["teachers"]["videos"]
    return f"work/studio/{name}/videos-{wildcards.shard}" if folder == "studio" else outside(folder)


def annotations_of(wildcards):
    """Return the annotation files of a data set; `annotation_folder` gives their folder."""
    files = ANNOTATION_FILES_OF[wildcards.data]
    made = (AVE["annotations"] if wildcards.data else config["parse"]["annotations"]) == "studio"
    return files if made else outside(files)


def llp_annotations(wildcards):
    """Return the annotation files of LLP, for rules of it alone."""
    return ANNOTATION_FILES if IS_STUDIO_LLP else outside(ANNOTATION_FILES)


def annotation_folder(wildcards):
    """Return the folder of annotations of a data set."""
    return ANNOTATIONS_OF[wildcards.data]


def prompts_of(data):
    """Return the configured file of prompts of a data set, or no file: then the package's own."""
    configured = AVE["prompts"] if data else config["teachers"]["prompts"]
    return outside(configured) if configured else []


def feature_folders(wildcards, name):
    """Return the folders that hold one input of a set of features: the user's, or one a shard."""
    kind, equals, weights = FEATURES[wildcards.features][name].partition("=")
    made = "towers" if kind in TOWER_PARTS else "features"
    shards = expand(
        "work/teachers/{data}{made}/{shard}", data=wildcards.data, made=made, shard=HARVEST_SHARDS
    )
    if kind in TOWER_PARTS:
        return [f"{shard}/{weights}-{wildcards.seed}/{TOWER_PARTS[kind]}" for shard in shards]
    return [f"{shard}/{kind}" for shard in shards] if equals else [kind]


def feature_inputs(wildcards):
    """Return what a packed set of features is made from: the user's folders, and those of all shards."""
    kinds = [FEATURES[wildcards.features][key].partition("=") for key in PARSER_INPUTS]
    given = [path for path, equals, _ in kinds if not equals]
    made = {"towers" if kind in TOWER_PARTS else "features" for kind, equals, _ in kinds if equals}
    return outside(given) + expand(
        "work/teachers/{data}{made}/{shard}",
        data=wildcards.data,
        made=sorted(made),
        shard=HARVEST_SHARDS,
    )


def tower_models(wildcards):
    """Return the weights of every run and seed whose towers parsers of a data set read: a video is decoded once."""
    mine = [name for name in TOWER_VARIANTS if DATA_OF[name] == wildcards.data]
    runs = sorted({run for name in mine for run in RUNS_OF_FEATURES[VARIANTS[name]["features"]]})
    unknown = [run for run in runs if run not in RUN_OF]
    if unknown:
        raise WorkflowError(
            f"parse.features names the towers of {unknown[0]!r}, which is no run of pretrain.runs or pretrain.ablation"
        )
    return expand("work/pretrain/{run}/{seed}/model.pt", run=runs, seed=TABLE8_SEEDS)


def shipped_weights():
    """Return the hashes of the package's own teachers that the configuration names, so that new ones harvest anew."""
    folder = Path(workflow.basedir, "src/soundstage/teachers/shipped")
    named = [config["teachers"][who].partition("=") for who in ("visual", "audio")]
    return [
        sha256(folder / kind / "model.safetensors")
        for kind, _, source in named
        if source == "shipped"
    ]


def unannotated(wildcards):
    """Say why a table of event parsing cannot be made: an input function for what has no input."""
    raise WorkflowError(
        "event parsing is not configured: parse.annotations names no folder, or the table has no row. "
        "tests/llp/broadcast.yaml is the shortest overlay; workflow/config/paper.yaml has every table."
    )


def shipped_features():
    """Return names and hashes of the package's own weights in use, so that new ones extract anew."""
    folder = Path(workflow.basedir, "src/soundstage/teachers/shipped")
    weights = [
        path
        for kind, source in EXTRACTED.items()
        if source == "shipped"
        for path in [
            *folder.glob(f"miniature/{kind.removeprefix('small_')}-*.pt"),
            folder / kind.removesuffix("_map") / "model.safetensors",
        ]
    ]
    return [f"{path.name} {sha256(path)}" for path in weights if path.is_file()]


def thresholds_of(wildcards):
    """Return the file of thresholds of harvested labels: calibrated, or the configured prompts."""
    if LABELS[wildcards.labels]["thresholds"] == "calibrated":
        return [f"work/teachers/{wildcards.data}thresholds.json"]
    return prompts_of(wildcards.data)


def scores_of(variant):
    """Return the scores.json files of all seeds of a variant of the parser."""
    if variant not in VARIANTS:
        raise WorkflowError(
            f"parse: {variant!r} is a row of a table, but no variant with annotations"
        )
    return expand(
        "work/parse/{data}{variant}/{seed}/scores.json",
        data=DATA_OF[variant],
        variant=variant,
        seed=TABLE8_SEEDS if variant in TOWER_VARIANTS else PARSE_SEEDS,
    )


def predictions_of(variant):
    """Return the predictions.parquet of a variant's first seed."""
    return [
        Path(path).with_name("predictions.parquet").as_posix() for path in scores_of(variant)[:1]
    ]


def table8_scores(wildcards):
    """Return the scores.json files of table 8: of its seeds alone, also where a variant has more."""
    if not TABLE8:
        return unannotated(wildcards)
    return [
        path
        for variant in TABLE8
        for path in scores_of(variant)
        if int(Path(path).parent.name) in TABLE8_SEEDS
    ]


def variant_settings(wildcards):
    """Return the settings of one variant's training as canonical JSON."""
    kept = ("rule", "checkpoint_epochs")
    return settings("parse", only=kept, variant=VARIANTS[wildcards.variant])(wildcards)


def studio_settings(wildcards):
    """Return what a benchmark of the embedded corpus depends on: the sizes of table 3's sets for those alone."""
    sizes = TABLE3_SIZES if wildcards.benchmark not in TABLE3 else ()
    return settings("studio", leave_out=LLP_SIZES + AVE_SIZES + sizes)(wildcards)


def benchmark_folder(name):
    """Return the folder of a benchmark: the embedded corpus's, or the user's."""
    folder = BENCHMARK_OF[name]["folder"]
    return f"work/studio/benchmarks/{name}" if folder == "studio" else outside(folder)


def prepare_settings(name):
    """Return how a benchmark is decoded, as canonical JSON; its own crops go before those of all."""
    kept = (
        "validation_percent",
        "silence_db",
        "crops",
        "short_side_pixels",
        "keep_megabytes",
    )
    own = {key: value for key, value in BENCHMARK_OF[name].items() if key == "crops"}
    return settings("evaluate", only=kept, **own)(None)


def layout_flag(name):
    """Return the flag that names a benchmark's layout, or nothing where its lists tell it."""
    layout = BENCHMARK_OF[name].get("layout")
    return f"--layout {layout}" if layout else ""


RESULTS = (
    ["results/corpus.md"]
    + ["results/table4.csv"] * bool(ANNOTATIONS and config["parse"]["table4"])
    + ["results/table5.csv"] * bool(ANNOTATIONS and config["parse"]["table5"])
    + ["results/table6.csv"] * bool(ANNOTATIONS)
    + TIMELINES
    + ["results/table7.csv"] * bool(AVE_ANNOTATIONS and config["parse"]["table7"])
    + ["results/table8.csv"] * bool(TABLE8)
    + ["results/table1.csv"] * bool(BENCHMARKS)
    + ["results/table2.csv"] * bool(BENCHMARKS and TABLE2)
    + ["results/table3.csv"] * bool(TABLE3)
    + ["results/retrieval.csv"] * bool(HELD_OUT)
    + ["results/timestamps.csv"] * bool(TIMESTAMPS)
    + ["results/studio.png"] * IS_STUDIO
    + expand("work/evaluate/{run}/{seed}/{folder}.parquet", run=RUNS, seed=SEEDS, folder=FOLDERS)
)
# `snakemake --report FILE` shows what has been made: a table that nobody has asked for would be an error.
if any(word.split("=")[0] == "--report" for word in sys.argv):
    RESULTS = [path for path in RESULTS if Path(path).exists()]
