"""What is scored of one benchmark, kept beside metrics.json until all are, so that an interrupted call goes on."""

import shutil

import pyarrow
import pyarrow.parquet
from pyarrow import feather

from soundstage.files import atomic, read_json, write_json

FOLDER = "scores.part"
PREDICTIONS = pyarrow.schema(
    {
        "benchmark": pyarrow.string(),
        "features": pyarrow.string(),
        "clip": pyarrow.string(),
        "fold": pyarrow.int16(),
        "correct": pyarrow.bool_(),
        "scores": pyarrow.list_(pyarrow.float32()),
        "labels": pyarrow.list_(pyarrow.int8()),
    }
)


def table(lines):
    """Return the Arrow table of `soundstage.evaluate.run.predictions`."""
    return pyarrow.Table.from_pylist(lines, schema=PREDICTIONS)


def keep(folder, name, fingerprint, entries, lines):
    """Keep the entries of metrics.json and the table of predictions of one benchmark, under a fingerprint."""
    place = folder / FOLDER
    with atomic(place / f"{name}.feather") as temporary:
        feather.write_feather(lines, temporary, compression="zstd")
    write_json(place / f"{name}.json", {"fingerprint": fingerprint, "entries": entries})


def kept(folder, name, fingerprint):
    """Return (entries, table of predictions) that `keep` kept under the same fingerprint, or None."""
    path = folder / FOLDER / f"{name}.json"
    found = read_json(path) if path.is_file() else {}
    if found.get("fingerprint") != fingerprint:
        return None
    return found["entries"], feather.read_table(path.with_suffix(".feather"), memory_map=False)


def forget(folder):
    """Remove what was kept, once metrics.json has all of it."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def write_predictions(path, tables):
    """Write the tables of all benchmarks as one Parquet file with the columns of `PREDICTIONS`."""
    whole = pyarrow.concat_tables([PREDICTIONS.empty_table(), *tables]).combine_chunks()
    with atomic(path) as temporary:
        pyarrow.parquet.write_table(whole, temporary, compression="zstd")
