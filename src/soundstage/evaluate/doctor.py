"""Say what a configuration needs from outside and lacks: benchmarks, films, weights, annotations, features.

python -m soundstage.evaluate.doctor --config workflow/config/paper.yaml

Run it where Snakemake is run: paths are relative to that folder. One block per thing: ok with its files and
size; a warning where the workflow leaves out what is missing, and goes on; or what is missing, how much that is,
who publishes it and which key to set. The exit code is 1 if a table that was asked for cannot be built (default: all
that the configuration has). What the workflow makes itself is said to be present, or to be made, and is no fault.
"""

import copy
import dataclasses
from functools import partial
from pathlib import Path

import yaml

from soundstage import cli, config
from soundstage.errors import UserError
from soundstage.evaluate import benchmarks, needs, owners
from soundstage.evaluate.roles import carve, check_roles
from soundstage.evaluate.tasks import LVU
from soundstage.nospeech.load import SHIPPED, check_sums, weights_files
from soundstage.parse import annotations
from soundstage.parse.pack import ID_LETTERS
from soundstage.teachers import videos

BASE = Path(__file__).parents[3] / "config.yaml"
SCHEMA = Path(__file__).parents[3] / "workflow" / "schemas" / "config.schema.yaml"
MOST_NAMED = 3
INDENT = " " * 10
LEAST_PERCENT = 1e-9  # one recording for validation shows that there are enough to take some from training
UNSET = "0" * 64  # a SHA-256 that stands for none
# What reading a list can raise that its owner's format does not allow.
UNREADABLE = (UserError, KeyError, ValueError, TypeError, IndexError, AttributeError, OSError)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that a configuration names: its key, where it is looked for, and what was found.

    files, bytes: of what is there; missing: a line per fault, none when it can be used; warnings: a line per
    thing that the workflow leaves out; note: what else is worth knowing; source: who publishes it; tables:
    those that need it.
    """

    key: str
    path: str
    files: int = 0
    bytes: int = 0
    missing: tuple = ()
    warnings: tuple = ()
    note: str = ""
    source: owners.Source | None = None
    tables: tuple = ()


def main():
    """Read the flags, look at everything, print, and return 1 if a table that was asked for cannot be built."""
    parser = cli.parser(__doc__)
    parser.add_argument("--config", nargs="+", required=True, help="the configuration, or overlays of the default one")
    text = "look only at what these tables need (default: everything, and the tables that `snakemake all` makes)"
    parser.add_argument("--tables", nargs="+", type=int, choices=needs.TABLES, metavar="TABLE", help=text)
    arguments = parser.parse_args()
    whole = read(*arguments.config)
    asked = set(arguments.tables or needs.configured(whole))
    found = examine(whole, asked)
    if arguments.tables:
        found = [finding for finding in found if asked & set(finding.tables)]
    print("\n".join(line for finding in found for line in said(finding)))
    lost = sorted(asked & {table for finding in found if finding.missing for table in finding.tables})
    print("\n" + summary(found, lost))
    return int(bool(lost))


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


def examine(whole, asked=()):
    """Return the `Finding`s of a whole configuration, in the order of its sections; asked: tables."""
    found = unconfigured(whole, asked) + corpus(whole) + separator(whole) + remixes(whole)
    found += parsing(whole) + teachers(whole) + labels(whole) + features(whole)
    for (section, name), tables in benchmark_tables(whole).items():
        entry = whole["evaluate"][section][name]
        found.append(benchmark(f"evaluate.{section}.{name}.folder", name, entry, tables))
    found += [timestamp_task(name, path) for name, path in whole["evaluate"]["timestamps"].items()]
    for name, path in whole["evaluate"]["folders"].items():
        found.append(folder(f"evaluate.folders.{name}", path, (), owners.YOURS))
    return found


def unconfigured(whole, asked):
    """Return a finding for each empty key because of which there is no such table as was asked for."""
    empty = {}
    for table in sorted(set(asked) - set(needs.configured(whole))):
        for key, value in needs.parts(whole, table):
            empty[key] = (*empty.get(key, ()), table) if not value else empty.get(key, ())
    what = ("it is empty: the configuration has no such table",)
    found = [Finding(key, "-", missing=what, tables=tables) for key, tables in empty.items() if tables]
    for table in needs.configured(whole):
        if stray := needs.strays(whole, table):
            what = (f"{', '.join(stray)}: no variant of parse.variants, or one without annotations",)
            found.append(Finding(f"parse.table{table}", "-", missing=what, tables=(table,)))
    return found


def corpus(whole):
    """Return the findings of the tables of films and of the media files that they name."""
    tables = needs.users(whole, needs.runs)
    if whole["corpus"]["films"] == "studio":
        return [made_by_us("corpus.films", Path("work/studio/films"), tables)]
    path = whole["corpus"]["films"]
    about = {"source": owners.FILMS, "tables": tables}
    try:
        films = config.read_films(whole)
        rows = films + config.read_tracks(whole, films)
    except UserError as error:
        # tables that can be read, and are wrong, stop every target
        if all(Path(file).is_file() for file in config.table_files(whole)):
            about["tables"] = needs.configured(whole)
        return [Finding("corpus.films, corpus.tracks", path, missing=(in_words(error),), **about)]
    files = sorted({Path(row["path"]) for row in rows})
    dropping = whole["films"]["on_bad_file"] == "drop"
    left_out = {"empty": "film or track dropped, as films.on_bad_file says"} if dropping else {}
    return [complete("corpus.films, corpus.tracks", path, files, left_out=left_out, **about)]


def separator(whole):
    """Return the finding of the model that removes speech, where some run needs it, judged as `nospeech` does."""
    tables, settings = needs.users(whole, needs.removes_speech), whole["nospeech"]
    if not tables:
        return []
    wanted, expected = settings["separator"], settings["separator_sha256"]
    about = {"source": owners.separator(settings["name"]), "tables": tables}
    what = "zeros stand for none, and nospeech opens no file: set what sha256sum prints of each; demucs puts the first "
    unset = (what + "eight digits into the file's name, after the dash",) * (set(expected) == {UNSET})
    key, found = "nospeech.separator", []
    if wanted == "hub":
        note = f"demucs downloads {settings['name']} at its first use"
        found.append(Finding(key, "hub", note=note, **about))
    else:
        found.append(_separator(key, SHIPPED if wanted == "shipped" else Path(wanted), settings, about, not unset))
    return found + [Finding("nospeech.separator_sha256", UNSET[:8] + "...", missing=unset, tables=tables)] * bool(unset)


def _separator(key, place, settings, about, compare):
    """Return the finding of a separator's folder: of all files that demucs would open, and of their checksums."""
    try:
        files = weights_files(place, settings["name"])
    except UserError as error:
        return Finding(key, str(place), missing=(in_words(error),), **about)
    faults = []
    for path in files if compare else ():
        try:
            check_sums([path], settings["separator_sha256"])
        except UserError as error:
            faults.append(in_words(error))
    return faulty(complete(key, place, files, **about), faults)


def remixes(whole):
    """Return a finding for runs that hear a remix although trainings read shards, where there is none."""
    tables = needs.by_part(whole, needs.remixes) if whole["pretrain"]["loader"]["stream"] else {}
    what = ("it hears a remix, which is not in the shards: set pretrain.loader.stream to false, or the run to null",)
    return [Finding(f"pretrain run {run}", "-", missing=what, tables=found) for run, found in tables.items()]


def parsing(whole):
    """Return the findings of the annotations and the videos of each data set of event parsing."""
    found = []
    for data, tables in needs.by_part(whole, needs.data_sets).items():
        found.append(annotated(whole, data, tables))
    for data, tables in needs.by_part(whole, needs.watched).items():
        found += watched(whole, data, tables)
    return found


def annotated(whole, data, tables):
    """Return the finding of the annotation files of a data set: all there, and readable."""
    place, key = needs.annotations(whole, data), "parse.ave.annotations" if data == "ave" else "parse.annotations"
    if place == "studio":
        return made_by_us(key, Path("work/studio", data, "annotations"), tables)
    about = {"source": owners.AVE_LISTS if data == "ave" else owners.LLP, "tables": tables}
    lists = ave_lists(place) if data == "ave" else annotations.files(place)
    found = complete(key, place, lists, **about)
    if not found.missing:
        try:
            [annotations.read(place, split) for split in annotations.WEAK_FILES]
        except UNREADABLE as error:
            return faulty(found, [f"cannot be used: {in_words(error)}"])
    return found


def ave_lists(place):
    """Return the paths of AVE's files that the workflow reads, also where none is there to tell that it is AVE."""
    return [Path(place, "Annotations.txt"), *(Path(place, f"{split}_order.h5") for split in annotations.WEAK_FILES)]


def listed(whole, data):
    """Return {split: names of its videos} of a data set of the user's, {} where its lists cannot be read."""
    place = needs.annotations(whole, data)
    try:
        return {split: annotations.names(place, split) for split in annotations.WEAK_FILES}
    except UNREADABLE:  # `annotated` says why, or the workflow makes them
        return {}


def watched(whole, data, tables):
    """Return the finding of the videos of a data set, none where the workflow makes annotations and videos."""
    key, place = needs.videos(whole, data)
    about = {"source": owners.AVE_VIDEOS if data == "ave" else owners.LLP_VIDEOS, "tables": tables}
    if place == "studio" and needs.annotations(whole, data) == "studio":
        return []
    if place in ("", "studio"):
        what = (f"found {place!r}, expected the folder of the videos that the annotations name",)
        return [Finding(key, place or "-", missing=what, **about)]

    def path_of(name):
        return videos.find(place, name) or Path(place, f"{name}.mp4")

    return [of_videos(key, place, listed(whole, data), path_of, **about)]


def teachers(whole):
    """Return the findings of the teachers' weights and prompts, where labels are harvested."""
    found = []
    for data, tables in needs.by_part(whole, needs.harvested).items():
        place = (whole["parse"]["ave"] if data == "ave" else whole["teachers"])["prompts"]
        if place:
            key = "parse.ave.prompts" if data == "ave" else "teachers.prompts"
            found.append(complete(key, place, [Path(place)], owners.YOURS, tables))
    tables = needs.users(whole, needs.harvested)
    for key in ("visual", "audio") if tables else ():
        found.append(weights(f"teachers.{key}", whole["teachers"][key], tables))
    return found


def labels(whole):
    """Return the findings of labels that were harvested elsewhere: of a modality and split, or of a folder not there.

    Tables learn from the training videos' labels, but for table 6, which scores the test videos'.
    """
    found = {}
    for (data, name, split), tables in needs.by_part(whole, needs.labels).items():
        entry = whole["teachers"]["labels"][name]
        for one in arrays(whole, data, f"teachers.labels.{name}", entry, (split,), ()) if "rule" not in entry else ():
            one = dataclasses.replace(one, note=f"split {split}" * bool(one.files))
            found[one] = (*found.get(one, ()), *tables)
    return [dataclasses.replace(one, tables=tuple(sorted(set(tables)))) for one, tables in found.items()]


def features(whole):
    """Return the findings of features: folders of arrays, weights of what is extracted, runs that there are not."""
    found = []
    for (data, name), tables in needs.by_part(whole, needs.features).items():
        entry, made, key = whole["parse"]["features"][name], needs.kinds(whole, name), f"parse.features.{name}"
        given = {stream: entry[stream] for stream in needs.INPUTS if stream not in made}
        found += arrays(whole, data, key, given, annotations.WEAK_FILES, tables)
    tables = needs.users(whole, needs.extracts)
    for kind, (key, place) in needs.extracted(whole).items() if tables else ():
        found.append(weights(key, f"{kind}={place}", tables))
    for run, tables in needs.by_part(whole, needs.tower_runs).items():
        if run not in needs.run_of(whole):
            what = (f"parse.features names its towers, {run!r} is no run of pretrain.runs or pretrain.ablation",)
            found.append(Finding("pretrain.runs", run, missing=what, tables=tables))
    return found


def arrays(whole, data, key, entry, splits, tables):
    """Return the findings of folders with a .npy file for each video of `splits`; entry: {stream: folder}."""
    names = {split: found for split, found in listed(whole, data).items() if split in splits}

    def path_of(place, name):
        return Path(place, f"{name[:ID_LETTERS]}.npy")

    found = []
    for stream, place in entry.items():
        about = {"source": owners.arrays(place, data == "llp"), "tables": tables, "pattern": "*.npy"}
        found.append(of_videos(f"{key}.{stream}", place, names, partial(path_of, place), **about))
    # a video without one of the arrays is left out: some must have all of them
    for split, part in names.items() if found and not any(one.missing for one in found) else ():
        if not any(all(path_of(place, name).is_file() for place in entry.values()) for name in part):
            found[-1] = faulty(found[-1], [f"no video of the split {split} has a file in every folder of {key}"])
    return found


def of_videos(key, place, names, path_of, source, tables, pattern="*"):
    """Return the finding of a folder with a file for each of `names`, {split: videos}, of which some may lack.

    The workflow leaves out, counts and names videos without a file, unless a split has none. An empty array
    stops it.
    """
    there = folder(key, place, tables, source, pattern)
    if there.missing or not names:
        return there
    files = {split: [path_of(name) for name in part] for split, part in names.items()}
    every = sorted({path for part in files.values() for path in part})
    left_out = dict.fromkeys(("missing", "empty") if pattern == "*" else ("missing",), "left out by the workflow")
    found = complete(key, place, every, source, tables, "files", left_out)
    gone = [split for split, part in files.items() if not any(path.is_file() for path in part)]
    return faulty(found, [f"no file for any video of the split {', '.join(gone)}"] if gone and found.files else [])


def weights(key, text, tables):
    """Return the finding of weights, KIND=FOLDER_OR_FILE_OR_HUB_NAME."""
    kind, _, place = text.partition("=")
    if place == "shipped":
        return Finding(key, text, note="in the package", tables=tables)
    about = {"source": owners.weights(kind, place), "tables": tables}
    if place.count("/") == 1 and not Path(place).exists() and not place.startswith((".", "/", "data/", "work/")):
        size = owners.about(about["source"].gigabytes)
        note = ", ".join(part for part in ("a hub name: downloaded at its first use", size) if part)
        return Finding(key, place, note=note, **about)
    if Path(place).suffix in (".pt", ".pth"):
        return complete(key, place, [Path(place)], **about)
    return folder(key, place, tables, about["source"])


def benchmark_tables(whole):
    """Return {(section, name): tables} of every benchmark that is named, those of no table among them."""
    used = needs.by_part(whole, needs.benchmarks)
    every = [(section, name) for section in ("benchmarks", "table3") for name in whole["evaluate"][section]]
    return {part: used.get(part, ()) for part in every}


def benchmark(key, name, entry, tables):
    """Return the finding of one benchmark: its lists can be read, and enough of the clips that they name is there."""
    if entry["folder"] == "studio":
        return made_by_us(key, Path("work/studio/benchmarks", name), tables)
    place, layout = Path(entry["folder"]), entry.get("layout")
    about = {"source": owners.benchmark(name, place, layout), "tables": tables}
    if not place.is_dir():
        return Finding(key, str(place), missing=("the folder is not there",), **about)
    try:
        loaded = benchmarks.load(place, layout)
    except UNREADABLE as error:
        return Finding(key, str(place), missing=(f"its lists cannot be used: {in_words(error)}",), **about)
    about["source"] = owners.benchmark(name, place, loaded.layout)
    paths = [clip.path for clip in loaded.clips]
    left_out = dict.fromkeys(("missing", "empty"), "dropped by prepare")
    found = complete(key, place, paths, **about, unit="clips", left_out=left_out)
    if loaded.layout == "lvu" and (absent := [task for task in LVU if task not in {t.name for t in loaded.tasks}]):
        found = faulty(found, [f"tasks missing: {', '.join(absent)}"])
    return faulty(found, emptied(name, loaded) if found.files else ())


def emptied(name, loaded):
    """Return why the clips that are there do not do: a split, or a class, that has none of them left."""
    kept = [number for number, clip in enumerate(loaded.clips) if clip.path.is_file() and clip.path.stat().st_size]
    recordings = [loaded.clips[number].recording for number in kept]
    faults = []
    for entry, roles in [(f"{name}-{t.name}", t.roles) for t in loaded.tasks] or [(name, loaded.roles)]:
        try:
            roles = carve(roles[:, kept], recordings, LEAST_PERCENT, name)
            check_roles(roles, entry, len(loaded.clips) - len(kept))
        except UserError as error:
            faults.append(error.what)
    gone = {label for clip in loaded.clips for label in clip.labels}
    gone -= {label for number in kept for label in loaded.clips[number].labels}
    if gone:
        classes = [str(loaded.classes[label]) for label in sorted(gone)]
        faults.append(f"{len(gone)} of {len(loaded.classes)} classes without any clip: {shown(classes)}")
    return faults


def timestamp_task(name, place):
    """Return the finding of one of HEAR's tasks of time stamps, which no table needs."""
    key, about = f"evaluate.timestamps.{name}", {"source": owners.hear(Path(place).name), "tables": ()}
    if not Path(place).is_dir():
        return Finding(key, place, missing=("the folder is not there",), **about)
    from soundstage.evaluate import timestamps  # imports torch

    try:
        task = timestamps.read(Path(place))
    except UNREADABLE as error:
        return Finding(key, place, missing=(f"its lists cannot be used: {in_words(error)}",), **about)
    return complete(key, place, [Path(path) for _, path, _ in task.files], **about)


def folder(key, place, tables, source, pattern="*"):
    """Return the finding of a folder in which at least one file is expected."""
    place = Path(place)
    about = {"source": source, "tables": tables}
    if not place.is_dir():
        return Finding(key, str(place), missing=("the folder is not there",), **about)
    files = sorted(path for path in place.rglob(pattern) if path.is_file())
    if not files:
        return Finding(key, str(place), missing=(f"no file {pattern} in the folder",), **about)
    return complete(key, place, files, **about)


def complete(key, place, files, source, tables, unit="files", left_out=None):
    """Return the finding of files that must be there and not be empty.

    left_out: {"missing" or "empty": what the workflow does with such files, in words} where it goes on without
    them: then they are no fault, as long as any file is left.
    """
    sizes = {path: path.stat().st_size if path.is_file() else None for path in files}
    there = [size for size in sizes.values() if size]
    left_out, faults, warnings = left_out if left_out and there else {}, [], []
    for state, value in (("missing", None), ("empty", 0)):
        found = [str(path) for path, size in sizes.items() if size == value]
        if found:
            done = f" ({left_out[state]})" if state in left_out else ""
            line = f"{len(found):,} of {len(sizes):,} {unit} {state}{done}: {shown(found)}"
            (warnings if done else faults).append(line)
    about = {"source": source, "tables": tables}
    return Finding(key, str(place), len(there), sum(there), tuple(faults), tuple(warnings), **about)


def faulty(found, faults):
    """Return a finding with more faults, to which its warnings belong then; the same without any."""
    if not faults:
        return found
    return dataclasses.replace(found, missing=(*found.missing, *found.warnings, *faults), warnings=())


def shown(names):
    """Return the first few of many names."""
    return ", ".join(names[:MOST_NAMED]) + ", ..." * (len(names) > MOST_NAMED)


def in_words(error):
    """Return an error in one line."""
    if isinstance(error, UserError):
        return error.what if error.where is None else f"{error.what} ({error.where})"
    return f"{type(error).__name__}: {error}"


def made_by_us(key, place, tables):
    """Return the finding of what the workflow makes: present, or to be made."""
    files = [path for path in place.rglob("*") if path.is_file()]
    note = "made by the workflow" if files else "to be made by the workflow"
    return Finding(key, str(place), len(files), sum(path.stat().st_size for path in files), note=note, tables=tables)


def said(finding):
    """Return the lines that say one finding."""
    where = ", ".join(f"table {table}" for table in finding.tables) or "no table"
    size = f"{counted(finding.files, 'file')}, {sized(finding.bytes)}" if finding.files else ""
    facts = "; ".join(part for part in (size, finding.note) if part)
    state = "MISSING" if finding.missing else "WARNING" if finding.warnings else "ok     "
    lines = [f"{state} {finding.key}: {finding.path}" + (f" ({facts})" if facts else "")]
    lines += [INDENT + line for line in (*finding.missing, *finding.warnings)]
    if finding.missing and str(finding.source or ""):
        lines.append(f"{INDENT}all of it: {finding.source}")
    if finding.source and (finding.missing or finding.warnings):
        lines.append(f"{INDENT}from: {finding.source.owner}")
    if finding.missing:
        lines.append(f"{INDENT}set: {finding.key}; needed by: {where}")
    return lines


def counted(number, word):
    """Return a count in words."""
    return f"{number:,} {word}" + "s" * (number != 1)


def sized(number):
    """Return a number of bytes in words: in GB from 0.1 GB on, else in MB."""
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"


def summary(found, lost):
    """Return the last lines: how much was looked at, what is to be had, which tables cannot be built."""
    faulty = [finding for finding in found if finding.missing]
    warned = sum(bool(finding.warnings) for finding in found if not finding.missing)
    line = f"{len(found)} looked at, {len(faulty)} not complete" + f", {counted(warned, 'warning')}" * bool(warned)
    line += "; cannot be built: " * bool(lost) + ", ".join(f"table {table}" for table in lost)
    absent = {finding.path: finding.source for finding in faulty if finding.source and not finding.files}.values()
    files, gigabytes = (sum(getattr(one, key) or 0 for one in absent) for key in ("files", "gigabytes"))
    if files:
        unknown = sum(one.gigabytes is None for one in absent)
        line += f"\nto be had: about {float(f'{files:.3g}'):,.0f} files, {owners.about(gigabytes)} unpacked"
        line += f", not counting {unknown} things whose size is not known" * bool(unknown)
    return line


if __name__ == "__main__":
    cli.run(main)
