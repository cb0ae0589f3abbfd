"""Which of the eight tables needs which part of a configuration, by the lists that the rules use.

For who asks without Snakemake (`soundstage.evaluate.doctor`): workflow/rules/common.smk has the same lists, and a
test holds the two together. `whole` is a checked configuration, tables are numbered from 1 to 8, and data sets of
event parsing are "llp" and "ave".
"""

TABLES = tuple(range(1, 9))
PARSED = (4, 5, 7, 8)  # tables whose rows are variants of the event parser
DATA = ("llp", "ave")
INPUTS = ("audio", "visual_2d", "visual_3d")  # of an event parser
TOWER_KINDS = ("tower_audio", "tower_picture")  # features by the towers of a pretraining run


def configured(whole):
    """Return the tables that `snakemake all` makes."""
    return tuple(table for table in TABLES if all(whole_part for _, whole_part in parts(whole, table)))


def parts(whole, table):
    """Return [(key, its value)] of what must not be empty, or there is no such table."""
    evaluate, parse = whole["evaluate"], whole["parse"]
    shown = [("evaluate.benchmarks", evaluate["benchmarks"])]
    if table == 1:
        return shown
    if table == 2:
        return [*shown, ("pretrain.table2", whole["pretrain"]["table2"])]
    if table == 3:
        return [("evaluate.table3", evaluate["table3"])]
    if table == 7:
        return [("parse.ave.annotations", parse["ave"]["annotations"]), ("parse.table7", parse["table7"])]
    rows = [] if table == 6 else [(f"parse.table{table}", parse[f"table{table}"])]
    return [("parse.annotations", parse["annotations"]), *rows]


def users(whole, asks):
    """Return the configured tables for which `asks(whole, table)` is true."""
    return tuple(table for table in configured(whole) if asks(whole, table))


def by_part(whole, named):
    """Return {part: tables} of the parts that `named(whole, table)` gives for each configured table."""
    found = {}
    for table in configured(whole):
        for part in named(whole, table):
            found[part] = (*found.get(part, ()), table)
    return found


def benchmarks(whole, table):
    """Return [(section of `evaluate`, name)] of the benchmarks on which the runs of a table are scored."""
    evaluate = whole["evaluate"]
    first = [("benchmarks", name) for name in evaluate["benchmarks"]]
    if table == 3:
        # table 3's shared columns are read from the metrics.json of table 1, which has every benchmark of it
        shared = first if evaluate["table3_shared"] else []
        return [("table3", name) for name in evaluate["table3"]] + shared
    return first if table in (1, 2) else []


def annotations(whole, data):
    """Return the folder of annotations of a data set, "studio", or "" for none."""
    return whole["parse"]["ave"]["annotations"] if data == "ave" else whole["parse"]["annotations"]


def videos(whole, data):
    """Return (key, folder or "studio") of the videos of a data set."""
    if data == "ave":
        return "parse.ave.videos", whole["parse"]["ave"]["videos"]
    return "teachers.videos", whole["teachers"]["videos"]


def data_of(variant):
    """Return the data set of a variant of the event parser."""
    return "ave" if variant.get("data") == "ave" else "llp"


def rows(whole, table):
    """Return {row: variant} of a table of event parsers: rows that are variants with annotations."""
    known = whole["parse"]["variants"]
    names = whole["parse"][f"table{table}"] if table in PARSED else []
    return {name: known[name] for name in names if name in known and annotations(whole, data_of(known[name]))}


def strays(whole, table):
    """Return the rows of a table of event parsers that are no variant, or one without annotations."""
    names = whole["parse"][f"table{table}"] if table in PARSED else []
    return [name for name in names if name not in rows(whole, table)]


def data_sets(whole, table):
    """Return the data sets of which a table needs the annotations."""
    return sorted({data_of(variant) for variant in rows(whole, table).values()} | ({"llp"} if table == 6 else set()))


def labels(whole, table):
    """Return [(data set, labels, split)] that a table's parsers learn from, or that table 6 scores."""
    learnt = [(data_of(row), row["labels"], "train") for row in rows(whole, table).values() if row.get("labels")]
    scored = [("llp", name, "test") for name in whole["parse"]["table6"]] if table == 6 else []
    return list(dict.fromkeys(learnt + scored))


def features(whole, table):
    """Return [(data set, set of features)] that a table's parsers read."""
    return list(dict.fromkeys((data_of(row), row.get("features", "standard")) for row in rows(whole, table).values()))


def kinds(whole, name):
    """Return {input: (kind, weights)} of a set of features that the workflow extracts, {} for folders."""
    entry = whole["parse"]["features"][name]
    found = {key: entry[key].partition("=") for key in INPUTS}
    return {key: (kind, weights) for key, (kind, equals, weights) in found.items() if equals}


def extracted(whole):
    """Return {kind: (key, weights)} of all features but those of towers: one job extracts them all."""
    return {
        kind: (f"parse.features.{name}.{key}", weights)
        for name in whole["parse"]["features"]
        for key, (kind, weights) in kinds(whole, name).items()
        if kind not in TOWER_KINDS
    }


def extracts(whole, table):
    """Return whether a table needs features that the workflow extracts with other networks than its own towers."""
    found = [kind for _, name in features(whole, table) for kind, _ in kinds(whole, name).values()]
    return any(kind not in TOWER_KINDS for kind in found)


def harvested(whole, table):
    """Return the data sets whose videos the teachers label for a table."""
    return sorted({data for data, name, _ in labels(whole, table) if "rule" in whole["teachers"]["labels"][name]})


def watched(whole, table):
    """Return the data sets whose videos are decoded for a table, for labels or for features."""
    return sorted({data for data, name in features(whole, table) if kinds(whole, name)} | set(harvested(whole, table)))


def towers_of(whole, name):
    """Return the pretraining runs whose towers give a set of features."""
    return {weights for kind, weights in kinds(whole, name).values() if kind in TOWER_KINDS}


def tower_runs(whole, table):
    """Return the runs whose towers are extracted for a table: of a data set all at once, as its rule does."""
    mine = {data for data, name in features(whole, table) if towers_of(whole, name)}
    variants = [row for row in whole["parse"]["variants"].values() if data_of(row) in mine]
    return sorted({run for row in variants for run in towers_of(whole, row.get("features", "standard"))})


def run_of(whole):
    """Return {name: pretraining run}, those of table 2 among them."""
    return {**whole["pretrain"]["runs"], **whole["pretrain"]["ablation"]}


def runs(whole, table):
    """Return the names of the pretraining runs that a table trains, with those that they begin with."""
    pretrain, every = whole["pretrain"], run_of(whole)
    first = {1: pretrain["runs"], 2: pretrain["table2"], 3: pretrain["runs"]}
    found, waiting = set(), [*first.get(table, tower_runs(whole, table))]
    while waiting:
        name = waiting.pop()
        waiting += [every[name]["start_from"]] if name not in found and every.get(name, {}).get("start_from") else []
        found.add(name)
    return found


def remixes(whole, table):
    """Return the runs of a table that hear a remix of the original."""
    return sorted(name for name in runs(whole, table) if run_of(whole).get(name, {}).get("views") == "remix")


def removes_speech(whole, table):
    """Return whether a table needs tracks without speech: in the shards of all films, or for a remix."""
    views = {run.get("views") for run in whole["pretrain"]["runs"].values()}
    return bool(runs(whole, table)) and ("speech_removed" in views or bool(remixes(whole, table)))
