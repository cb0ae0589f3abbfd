"""Say what a configuration needs from outside and lacks: benchmarks, films, weights, annotations, features.

python -m soundstage.evaluate.doctor --config workflow/config/paper.yaml

Run it where Snakemake is run: paths are relative to that folder. One block per thing: ok with its files and
size, or what is missing, who publishes it and which key to set. The exit code is 1 if a table cannot be built.
What the workflow makes itself is said to be present, or to be made, and is no fault.
"""

import copy
import dataclasses
from pathlib import Path

import yaml

from soundstage import cli, config, nospeech
from soundstage.errors import UserError
from soundstage.evaluate import benchmarks
from soundstage.parse.annotations import read_weak
from soundstage.parse.classes import LLP as LLP_CLASSES
from soundstage.parse.pack import ID_LETTERS

SHIPPED = Path(nospeech.__file__).parent / "separator"  # soundstage.nospeech.load's, which imports torch
BASE = Path(__file__).parents[3] / "config.yaml"
SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "config.schema.yaml"
MOST_NAMED = 3
# Layout -> who publishes it, and how the media are had.
OWNERS = {
    "hear": "HEAR 2021, Zenodo 5885750 (48 kHz): unpack so that FOLDER is tasks/<task>-<version>-<mode>",
    "ucf101": "UCF101, University of Central Florida (CRCV): UCF-101/ and ucfTrainTestlist/ in FOLDER",
    "hmdb51": "HMDB51, Brown University (Serre Lab): <class>/*.avi and the test_train_splits lists in FOLDER",
    "esc50": "ESC-50, github.com/karolpiczak/ESC-50: audio/ and meta/esc50.csv in FOLDER",
    "vggsound": "VGGSound, University of Oxford (VGG): vggsound.csv in FOLDER; the videos are YouTube's",
    "kinetics_sounds": "Kinetics-400, DeepMind: its lists in FOLDER; the videos are YouTube's",
    "ave": "AVE, github.com/YapengTian/AVE-ECCV18: Annotations.txt, *Set.txt and AVE/*.mp4 in FOLDER",
    "lvu": "LVU 1.0, github.com/chaoyuaw/lvu: lvu_1.0/ in FOLDER; the videos (YouTube, MovieClips) in FOLDER/videos",
    None: "unknown layout: name one with the key `layout`",
}
TOWER_KINDS = ("tower_audio", "tower_picture")  # features by the towers of a pretraining run
STREAMS = ("audio", "visual", "visual_2d", "visual_3d")
LLP = "LLP, github.com/YapengTian/AVVP-ECCV20: its AVVP_*.csv in one folder"
LLP_LISTS = [f"AVVP_{name}.csv" for name in ("train", "val_pd", "test_pd", "eval_audio", "eval_visual")]
AVE_LISTS = ["Annotations.txt", "train_order.h5", "val_order.h5", "test_order.h5", "labels.h5", "mil_labels.h5"]
FEATURES = "the authors of LLP (github.com/YapengTian/AVVP-ECCV20) and of VALOR (Franklin905/VALOR): a .npy per video"
# What table needs what.
TOWERS, PARSING = (1, 2, 3, 8), (4, 5, 6, 8)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that a configuration names: its key, where it is looked for, and what was found.

    files, bytes: of what is there; missing: one line per fault, none when it is complete; note: what is
    worth knowing of a complete one; owner: who publishes it; tables: those that need it.
    """

    key: str
    path: str
    files: int = 0
    bytes: int = 0
    missing: tuple = ()
    note: str = ""
    owner: str = ""
    tables: tuple = ()


def main():
    """Read the flags, look at everything, print, and return 1 if a table cannot be built."""
    parser = cli.parser(__doc__)
    parser.add_argument("--config", nargs="+", required=True, help="the configuration, or overlays of the default one")
    parser.add_argument("--tables", nargs="+", type=int, help="look only at what these tables need (default: all)")
    arguments = parser.parse_args()
    found = examine(read(*arguments.config))
    if arguments.tables:
        found = [finding for finding in found if set(finding.tables) & set(arguments.tables)]
    print("\n".join(line for finding in found for line in said(finding)))
    faulty = [finding for finding in found if finding.missing]
    asked = set(arguments.tables or range(1, 9))
    tables = sorted({table for finding in faulty for table in finding.tables if table in asked})
    print(f"\n{len(found)} looked at, {len(faulty)} not complete", end="")
    print("; cannot be built: " + ", ".join(f"table {table}" for table in tables) if tables else "")
    return int(bool(faulty))


def read(*paths):
    """Return the configurations `paths` over the default one, as Snakemake merges them, and checked."""
    whole = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    for path in paths:
        try:
            whole = merged(whole, yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
        except FileNotFoundError:
            raise UserError("expected a configuration, found nothing", path) from None
        except yaml.YAMLError as error:
            raise UserError(f"this is no YAML ({error})", path) from None
    config.drop_removed(whole)
    config.check(whole, yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    return whole


def merged(base, over):
    """Return `base` with the values of `over`: mappings are merged at any depth, all else is replaced."""
    result = copy.copy(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if both else value
    return result


def examine(whole):
    """Return the `Finding`s of a whole configuration, in the order of its sections."""
    found = corpus(whole) + separator(whole)
    found += parsing(whole) if whole["parse"]["annotations"] else []
    found += ave(whole) if whole["parse"]["ave"]["annotations"] else []
    for section, table in (("benchmarks", 1), ("table3", 3)):
        for name, entry in whole["evaluate"][section].items():
            shared = (3,) if table == 1 and name in whole["evaluate"]["table3_shared"] else ()
            found.append(benchmark(f"evaluate.{section}.{name}.folder", name, entry, (table, *shared)))
    for name, path in whole["evaluate"]["timestamps"].items():
        found.append(folder(f"evaluate.timestamps.{name}", path, (), OWNERS["hear"], "*.wav"))
    for name, path in whole["evaluate"]["folders"].items():
        found.append(folder(f"evaluate.folders.{name}", path, (), "your own media files"))
    return found


def corpus(whole):
    """Return the findings of the tables of films and of the media files that they name."""
    if whole["corpus"]["films"] == "studio":
        made = Path("work/studio/films")
        return [made_by_us("corpus.films", made, TOWERS)]
    path = whole["corpus"]["films"]
    owner = "your own films: tables of films and tracks as README says"
    try:
        films = config.read_films(whole)
        rows = films + config.read_tracks(whole, films)
    except UserError as error:
        return [Finding("corpus.films", path, missing=(error.what,), owner=owner, tables=TOWERS)]
    files = sorted({Path(row["path"]) for row in rows})
    return [complete("corpus.films, corpus.tracks", path, files, owner, TOWERS)]


def separator(whole):
    """Return the finding of the model that removes speech, where some run needs it."""
    runs = whole["pretrain"]["runs"].values()
    if "speech_removed" not in {run.get("views") for run in runs}:
        return []
    wanted = whole["nospeech"]["separator"]
    if wanted == "hub":
        note = f"demucs downloads {whole['nospeech']['name']} at its first use"
        return [Finding("nospeech.separator", "hub", note=note, tables=TOWERS)]
    place = SHIPPED if wanted == "shipped" else wanted
    owner = "demucs, github.com/adefossez/demucs: SIGNATURE-CHECKSUM.th files; shipped = the small one of the package"
    return [folder("nospeech.separator", place, TOWERS, owner, "*.th")]


def parsing(whole):
    """Return the findings of event parsing: annotations, videos, teachers, labels and features."""
    parse, teachers = whole["parse"], whole["teachers"]
    place = parse["annotations"]
    if place == "studio":
        found = [made_by_us("parse.annotations", Path("work/studio/llp/annotations"), PARSING)]
    else:
        lists = [Path(place, name) for name in LLP_LISTS]
        found = [complete("parse.annotations", place, lists, LLP, PARSING)]
    watched, taught = of_videos(whole)
    if teachers["videos"] not in ("", "studio"):
        mine = tuple(table for table in watched if table != 7)
        found.append(folder("teachers.videos", teachers["videos"], mine, LLP + "; the videos are YouTube's"))
    for key in ("visual", "audio"):
        found += [weights(f"teachers.{key}", teachers[key], taught)] * bool(teachers[key])
    for name, entry in teachers["labels"].items():
        found += given(f"teachers.labels.{name}", entry, used_by(whole, "labels", name), whole, LLP_LISTS[:1])
    for name, entry in parse["features"].items():
        found += given(f"parse.features.{name}", entry, used_by(whole, "features", name), whole, LLP_LISTS[:3])
    return found


def used_by(whole, part, name):
    """Return the tables with a row that reads these features, or learns from these labels; part: features, labels."""
    parse, usual = whole["parse"], "standard" if part == "features" else ""
    found = {
        table
        for table in (4, 5, 7, 8)
        for row in parse[f"table{table}"]
        if parse["variants"].get(row, {}).get(part, usual) == name
    }
    return tuple(sorted(found | ({6} if part == "labels" and name in parse["table6"] else set())))


def of_videos(whole):
    """Return (tables for which videos are watched, those for which the teachers label them)."""
    labels = [name for name, entry in whole["teachers"]["labels"].items() if "rule" in entry]
    taught = {table for name in labels for table in used_by(whole, "labels", name)}
    extracted = [name for name, entry in whole["parse"]["features"].items() if "=" in "".join(map(str, entry.values()))]
    watched = taught | {table for name in extracted for table in used_by(whole, "features", name)}
    return tuple(sorted(watched)), tuple(sorted(taught))


def given(key, entry, tables, whole, lists):
    """Return the findings of one set of labels or features: folders of arrays, weights, the towers of a run."""
    streams = {stream: str(place) for stream, place in entry.items() if stream in STREAMS}
    runs = sorted({place.partition("=")[2] for place in streams.values() if place.startswith(TOWER_KINDS)})
    found = [
        Finding(key, f"the towers of run {run}", note="to be trained by the workflow", tables=tables) for run in runs
    ]
    for stream, place in streams.items():
        if "=" not in place:
            found.append(arrays(f"{key}.{stream}", place, tables, Path(whole["parse"]["annotations"]), lists))
        elif not place.startswith(TOWER_KINDS):
            found.append(weights(f"{key}.{stream}", place, tables))
    return found


def ave(whole):
    """Return the findings of AVE, table 7: its lists and its videos."""
    about = whole["parse"]["ave"]
    if about["annotations"] == "studio":
        return [made_by_us("parse.ave.annotations", Path("work/studio/ave"), (7,))]
    lists = [Path(about["annotations"], name) for name in AVE_LISTS]
    found = [complete("parse.ave.annotations", about["annotations"], lists, OWNERS["ave"], (7,))]
    if about["videos"] not in ("", "studio"):
        found.append(folder("parse.ave.videos", about["videos"], (7,), OWNERS["ave"]))
    return found


def arrays(key, place, tables, annotations, lists):
    """Return the finding of a folder with a .npy file for every video that the lists name."""
    finding = folder(key, place, tables, FEATURES, "*.npy")
    if finding.missing or not all((annotations / name).is_file() for name in lists):
        return finding
    listed = [read_weak(annotations / name, LLP_CLASSES)[0] for name in lists]
    names = sorted({name[:ID_LETTERS] for names in listed for name in names})
    return complete(key, place, [Path(place, f"{name}.npy") for name in names], FEATURES, tables)


def weights(key, text, tables):
    """Return the finding of weights, KIND=FOLDER_OR_FILE_OR_HUB_NAME."""
    place = text.partition("=")[2]
    if place == "shipped":
        return Finding(key, text, note="in the package", tables=tables)
    owner = "the Hugging Face hub: config.json and the weights in one folder; torchvision: a .pth file"
    if place.count("/") == 1 and not Path(place).exists() and not place.startswith((".", "/", "data/", "work/")):
        return Finding(key, place, note="a hub name: downloaded at its first use", owner=owner, tables=tables)
    if Path(place).suffix in (".pt", ".pth"):
        return complete(key, place, [Path(place)], owner, tables)
    return folder(key, place, tables, owner)


def benchmark(key, name, entry, tables):
    """Return the finding of one benchmark: its lists can be read and every clip that they name is there."""
    if entry["folder"] == "studio":
        return made_by_us(key, Path("work/studio/benchmarks", name), tables)
    place = Path(entry["folder"])
    owner = OWNERS.get(entry.get("layout")) if entry.get("layout") else _owner(name)
    about = {"owner": owner, "tables": tables}
    if not place.is_dir():
        return Finding(key, str(place), missing=("the folder is not there",), **about)
    try:
        loaded = benchmarks.load(place, entry.get("layout"))
    except (UserError, KeyError, ValueError) as error:
        return Finding(key, str(place), missing=(f"its lists cannot be used: {error}",), **about)
    return complete(key, str(place), [clip.path for clip in loaded.clips], OWNERS[loaded.layout], tables)


def _owner(name):
    layouts = {"esc50": "esc50", "ucf": "ucf101", "hmdb": "hmdb51", "vggsound": "vggsound", "ave": "ave", "lvu": "lvu"}
    return next((OWNERS[layout] for start, layout in layouts.items() if name.startswith(start)), OWNERS["hear"])


def folder(key, place, tables, owner, pattern="*"):
    """Return the finding of a folder in which at least one file is expected."""
    place = Path(place)
    if not place.is_dir():
        return Finding(key, str(place), missing=("the folder is not there",), owner=owner, tables=tables)
    files = sorted(path for path in place.rglob(pattern) if path.is_file())
    if not files:
        return Finding(key, str(place), missing=(f"no file {pattern} in the folder",), owner=owner, tables=tables)
    return complete(key, str(place), files, owner, tables)


def complete(key, place, files, owner, tables):
    """Return the finding of files that must all be there and not be empty."""
    sizes = {path: path.stat().st_size if path.is_file() else None for path in files}
    faults = (
        _counted([path for path, size in sizes.items() if size is None], len(sizes), "missing"),
        _counted([path for path, size in sizes.items() if size == 0], len(sizes), "empty"),
    )
    there = [size for size in sizes.values() if size]
    missing = tuple(fault for fault in faults if fault)
    return Finding(key, str(place), len(there), sum(there), missing, owner=owner, tables=tables)


def _counted(paths, total, word):
    names = ", ".join(map(str, paths[:MOST_NAMED])) + ", ..." * (len(paths) > MOST_NAMED)
    return f"{len(paths)} of {total} files {word}: {names}" if paths else ""


def made_by_us(key, place, tables):
    """Return the finding of what the workflow makes: present, or to be made."""
    files = [path for path in place.rglob("*") if path.is_file()]
    note = "made by the workflow" if files else "to be made by the workflow"
    return Finding(key, str(place), len(files), sum(path.stat().st_size for path in files), note=note, tables=tables)


def said(finding):
    """Return the lines that say one finding."""
    where = ", ".join(f"table {table}" for table in finding.tables) or "no table"
    size = f"{finding.files} files, {finding.bytes / 1e6:.1f} MB" if finding.files else ""
    facts = "; ".join(part for part in (size, finding.note) if part)
    state = "MISSING" if finding.missing else "ok     "
    lines = [f"{state} {finding.key}: {finding.path} ({facts or 'nothing there'})"]
    if finding.missing:
        lines += [f"          {fault}" for fault in finding.missing]
        lines += [f"          from: {finding.owner}", f"          set: {finding.key}; needed by: {where}"]
    return lines


if __name__ == "__main__":
    cli.run(main)
