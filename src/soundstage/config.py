"""What the workflow reads before any job: the configuration, checked, and the two tables.

Every mistake is reported at once, on one screen, with the key and what is allowed there.
"""

import csv
import difflib
import functools
import json
import os
import re
from pathlib import Path

from soundstage.errors import UserError
from soundstage.settings import dumps

FILM_ID = r"[a-z0-9][a-z0-9-]*"
LANGUAGE_ID = r"[a-z]{2,3}(-[a-z0-9]{2,8})?"
SPLITS = ("train", "valid", "test")
FILM_COLUMNS = ("film", "path", "original_language", "split")
TRACK_COLUMNS = ("film", "language", "path", "stream")
REMOVABLE = (
    ("pretrain", "runs"),
    ("pretrain", "ablation"),
    ("teachers", "labels"),
    ("parse", "features"),
    ("parse", "variants"),
    ("evaluate", "benchmarks"),
    ("evaluate", "table3"),
    ("evaluate", "folders"),
)
MOST_SHOWN = 12


def check(config, schema):
    """Raise a UserError that lists every fault of a configuration against the JSON schema."""
    from jsonschema import Draft202012Validator

    found = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: list(e.path))
    lines = [_describe(error) for error in found]
    lines += [] if lines else impossible(config)
    if lines:
        more = [f"  ... and {len(lines) - MOST_SHOWN} more"] if len(lines) > MOST_SHOWN else []
        what = "\n".join(["the configuration cannot be used:", *lines[:MOST_SHOWN], *more])
        raise UserError(what, fix="correct these keys; config.yaml explains every one")


def _describe(error):
    """Return one line for a schema error: the key, what was found, what is allowed."""
    key = ".".join(str(part) for part in error.path) or "(top level)"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [name for name in error.instance if name not in known]
        return "\n".join(_unknown(key, name, known) for name in unknown)
    return f"  {key}: found {_short(error.instance)}, expected {_expected(error)}"


def _unknown(where, name, known):
    close = difflib.get_close_matches(str(name), known, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    place = "" if where == "(top level)" else f"{where}."
    return f"  {place}{name}: unknown key.{hint} Allowed here: {', '.join(known)}"


def _expected(error):
    """Return in words what a schema keyword asks for."""
    value = error.validator_value
    words = {
        "type": lambda: f"type {value if isinstance(value, str) else ' or '.join(value)}",
        "enum": lambda: "one of " + ", ".join(str(item) for item in value),
        "minimum": lambda: f"{value} or more",
        "maximum": lambda: f"{value} or less",
        "exclusiveMinimum": lambda: f"more than {value}",
        "exclusiveMaximum": lambda: f"less than {value}",
        "required": lambda: f"the keys {', '.join(value)}",
        "minItems": lambda: f"at least {value} entries",
        "uniqueItems": lambda: "each entry once",
        "pattern": lambda: f"a name like {value}",
    }
    return words.get(error.validator, lambda: error.message)()


def _short(value):
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def drop_removed(config):
    """Take out, in place, the runs, benchmarks and folders that an overlay has set to null.

    A run that is taken out is no row of table 2 either, a benchmark no column of table 3.
    """
    removed = set()
    for section, key in REMOVABLE:
        entries = config.get(section, {}).get(key)
        if isinstance(entries, dict):
            config[section][key] = {k: v for k, v in entries.items() if v is not None}
            removed |= {(section, k) for k, v in entries.items() if v is None}
    for section, key in (("pretrain", "table2"), ("evaluate", "table3_shared")):
        names = config.get(section, {}).get(key)
        if isinstance(names, list):
            config[section][key] = [name for name in names if (section, name) not in removed]


def impossible(config):
    """Return a line for every combination of values that cannot work although each is allowed."""
    faults = []
    runs, clips = config["pretrain"]["runs"], config["clips"]
    benchmarks = config["evaluate"]["benchmarks"]
    if clips["hop_seconds"] > clips["window_seconds"]:
        faults.append(
            f"  clips.hop_seconds: found {clips['hop_seconds']}, expected at most "
            f"clips.window_seconds = {clips['window_seconds']}, or film between windows is lost"
        )
    films, tracks = config["corpus"]["films"], config["corpus"]["tracks"]
    if (films == "studio") != (tracks == "studio"):
        faults.append("  corpus.films and corpus.tracks: expected both studio or both a table")
    evaluate = config["evaluate"]
    faults += [
        f"  evaluate.{key}.{name}.folder: found studio, expected the folder of {name}; the "
        "embedded corpus makes only the benchmarks that config.yaml lists"
        for key in ("benchmarks", "table3")
        for name, entry in evaluate[key].items()
        if entry["folder"] == "studio" and not name.startswith("studio-")
    ]
    faults += [
        f"  evaluate.table3.{name}: is a benchmark of table 1, too; name it in evaluate.table3_shared instead"
        for name in evaluate["table3"]
        if name in benchmarks
    ]
    faults += [
        f"  evaluate.table3_shared: {name!r} is none of {', '.join(benchmarks)}"
        for name in evaluate["table3_shared"]
        if name not in benchmarks
    ]
    if "monolingual" not in runs:
        faults.append("  pretrain.runs: expected a run named monolingual, which others are held to")
    faults += impossible_runs(config)
    faults += [
        f"  pretrain.runs.{name}.start_from: found {run['start_from']!r}, expected another run of {', '.join(runs)}"
        for name, run in runs.items()
        if run.get("start_from") and (run["start_from"] == name or run["start_from"] not in runs)
    ]
    if config["pretrain"]["engine"]["piece_clips"] and config["model"]["towers"] == "small":
        faults.append("  pretrain.engine.piece_clips: expected 0 with model.towers small, which normalise over a batch")
    return faults + unknown_parts(config)


def impossible_runs(config):
    """Return a line for every run, and every row of table 2, that asks for what cannot be."""
    pretrain = config["pretrain"]
    every = {**pretrain["runs"], **pretrain["ablation"]}
    faults = [
        f"  pretrain.ablation.{name}: is a run of pretrain.runs, too; give it another name"
        for name in pretrain["ablation"]
        if name in pretrain["runs"]
    ]
    for name, run in every.items():
        key = f"  pretrain.{'runs' if name in pretrain['runs'] else 'ablation'}.{name}"
        views, chosen = run.get("views", "original"), {"most_dubs", "pairing"} & set(run)
        if chosen and views != "dubs":
            faults.append(f"{key}: {', '.join(sorted(chosen))} with views {views}, expected views dubs")
    faults += [
        f"  pretrain.table2: {row!r} is none of {', '.join(every)}" for row in pretrain["table2"] if row not in every
    ]
    names = ", ".join(pretrain["runs"])
    faults += [
        f"  pretrain.ablation.{name}.start_from: found {run['start_from']!r}, expected one of {names}"
        for name, run in pretrain["ablation"].items()
        if run.get("start_from") and run["start_from"] not in pretrain["runs"]
    ]
    return faults


def unknown_parts(config):
    """Return a line for every name of event parsing that stands nowhere, and every unusable label."""
    teachers, parse = config["teachers"], config["parse"]
    faults = []
    for name, entry in teachers["labels"].items():
        key = f"  teachers.labels.{name}"
        if {"rule", "thresholds"} <= set(entry) <= {"rule", "thresholds"}:
            if missing := [part for part in ("videos", "visual", "audio") if not teachers[part]]:
                faults.append(f"{key}: needs teachers.{', teachers.'.join(missing)}")
        elif set(entry) != {"audio", "visual"}:
            faults.append(f"{key}: found {', '.join(entry)}, expected rule and thresholds, or audio and visual")
    for name, entry in parse["variants"].items():
        for part, known in (("features", parse["features"]), ("labels", {**teachers["labels"], "": None})):
            wanted = entry.get(part, "standard" if part == "features" else "")
            if wanted not in known:
                faults.append(f"  parse.variants.{name}.{part}: found {wanted!r}, expected one of {', '.join(known)}")
    for table in ("table4", "table5", "table7"):
        unknown = [name for name in parse[table] if name not in parse["variants"]]
        faults += [f"  parse.{table}: {name!r} is none of parse.variants" for name in unknown]
    unknown = [name for name in parse["table6"] if name not in teachers["labels"]]
    faults += [f"  parse.table6: {name!r} is none of teachers.labels" for name in unknown]
    return faults


def table_files(config):
    """Return the paths of the two tables, none for the embedded corpus or where the keys are faulty."""
    corpus = config["corpus"] if isinstance(config.get("corpus"), dict) else {}
    named = [corpus.get(key) for key in ("films", "tracks")]
    return [path for path in named if isinstance(path, str) and path != "studio"]


def checked_tables(config, schema):
    """Return [rows of films, rows of tracks] after every check of the configuration and of the rows."""
    check(config, schema)
    films = read_films(config)
    return [films, read_tracks(config, films)]


def read_films(config):
    """Return the rows of films.tsv, or of the embedded corpus, as dicts of strings."""
    path = config["corpus"]["films"]
    if path == "studio":
        from soundstage.studio import plan

        return plan.films(_studio(config))
    rows = _read_table(path, FILM_COLUMNS, optional=("split",))
    _unique(rows, ("film",), path)
    for row in rows:
        row["split"] = row.get("split") or "train"
        _match(row, "film", FILM_ID, path)
        _match(row, "original_language", LANGUAGE_ID, path)
        if row["split"] not in SPLITS:
            raise _fault(row, f"split is {row['split']!r}, expected {', '.join(SPLITS)}", path)
        row["path"] = _relative(row["path"], path)
    return rows


def read_tracks(config, films):
    """Return the rows of tracks.tsv (stream as int); the original of each film is among them."""
    path = config["corpus"]["tracks"]
    if path == "studio":
        from soundstage.studio import plan

        return plan.tracks(_studio(config))
    rows = _read_table(path, TRACK_COLUMNS)
    _unique(rows, ("film", "language"), path)
    known = {row["film"]: row["original_language"] for row in films}
    for row in rows:
        _match(row, "language", LANGUAGE_ID, path)
        _match(row, "stream", r"\d+", path)
        if row["film"] not in known:
            raise _fault(row, f"film {row['film']!r} is not in the table of films", path)
        row["stream"] = int(row["stream"])
        row["path"] = _relative(row["path"], path)
    have = {(row["film"], row["language"]) for row in rows}
    for film, language in known.items():
        if (film, language) not in have:
            what = f"film {film!r} has no row for its original language {language!r}"
            raise UserError(what, path, "add a row with the file and audio stream of the original")
    return rows


@functools.lru_cache(maxsize=8)
def _studio_cached(text):
    from soundstage.settings import load
    from soundstage.studio.settings import Settings

    return load(Settings, text)


def _studio(config):
    return _studio_cached(dumps(config["studio"]))


def _read_table(path, columns, optional=()):
    """Return a tab-separated table as a list of dicts with the line number under "line"."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows = [{**row, "line": reader.line_num} for row in reader]
    except OSError as error:
        fix = "set corpus.films and corpus.tracks to your tables, or both to studio"
        raise UserError(f"cannot read the table ({error.strerror})", path, fix) from None
    names = reader.fieldnames or []
    if missing := [name for name in columns if name not in names and name not in optional]:
        fix = f"the columns are {' '.join(columns)}, separated by tabs"
        raise UserError(f"missing columns: {', '.join(missing)}; found {names}", path, fix)
    for row in rows:
        if row.get(None) or any(row[name] is None for name in names):
            raise _fault(row, f"expected {len(names)} cells separated by tabs", path)
    return rows


def _unique(rows, columns, path):
    seen = {}
    for row in rows:
        key = tuple(row[column] for column in columns)
        if key in seen:
            raise _fault(row, f"{' '.join(key)} stands already in line {seen[key]}", path)
        seen[key] = row["line"]


def _match(row, column, pattern, path):
    if not re.fullmatch(pattern, row[column]):
        what = f"{column} is {row[column]!r}, expected a name that matches {pattern}"
        raise _fault(row, what, path)


def _fault(row, what, path):
    return UserError(f"line {row['line']}: {what}", path)


def _relative(path, table):
    """Return a media path: relative ones are relative to the table that names them."""
    return path if os.path.isabs(path) else os.path.normpath(Path(table).parent / path)
