"""Makes one clip benchmark of the studio in its official layout.

    python -m soundstage.studio.benchmark --name studio-events --out-folder work/studio/benchmarks/studio-events

Audio benchmarks are HEAR task folders: 48000/<split>/*.wav, <split>.json, labelvocabulary.csv and
task_metadata.json; studio-ucf101, studio-vggsound, studio-lvu and studio-hmdb51 have the layouts of
UCF101, VGGSound, LVU (nine tasks on the same videos) and HMDB51. The
last file written is manifest.json, {name, layout, group, metric, n_clips, files}, where files is
the SHA-256 of the list of all other files with their hashes. The same settings give the same bytes.
"""

import csv
import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
import soundfile

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import sha256, write_json, write_text
from soundstage.studio import clips, hmdb, lvu, videos
from soundstage.studio.names import BENCHMARKS
from soundstage.studio.settings import Settings
from soundstage.units import AUDIO_HZ


def main(arguments=None):
    """Read the command line and make the benchmark."""
    parser = cli.parser(__doc__)
    parser.add_argument("--name", required=True, choices=list(BENCHMARKS), help="which benchmark")
    parser.add_argument("--out-folder", required=True, type=Path, help="its folder, made anew")
    cli.add_settings(parser, Settings)
    chosen = parser.parse_args(arguments)
    make(chosen.name, chosen.out_folder, chosen.settings)


def make(name, folder, settings):
    """Write benchmark `name` into `folder`, whose former contents of ours are removed first.

    UserError when the folder holds something that no benchmark of the studio has made.
    """
    folder = Path(folder)
    _clear(folder)
    if name == "studio-lvu":
        layout, metric, count = "lvu", "nine tasks", lvu.write(folder, settings)
    elif name == "studio-hmdb51":
        layout, metric, count = "hmdb51", "accuracy_percent", hmdb.write(folder, settings)
    elif name in clips.TASKS:
        layout, metric, count = _hear(name, folder, settings)
    else:
        layout, metric, count = videos.write(name, folder, settings)
    manifest = {"name": name, "layout": layout, "group": BENCHMARKS[name], "metric": metric}
    manifest |= {"n_clips": count, "files": _digest(folder)}
    write_json(folder / "manifest.json", manifest)


_OURS = ("48000", "UCF-101", "ucfTrainTestlist", "video", "data", "manifest.json", "lvu_1.0", "videos")
_OURS += ("testTrainMulti_7030_splits", *hmdb.ACTIONS)
_OUR_LISTS = ("fold*.json", "labelvocabulary.csv", "task_metadata.json")


def _clear(folder):
    """Remove what an earlier run left; refuse a folder with anything else in it."""
    folder.mkdir(parents=True, exist_ok=True)
    ours = {folder / name for name in _OURS}
    ours |= {path for pattern in _OUR_LISTS for path in folder.glob(pattern)}
    strange = [path for path in folder.iterdir() if path not in ours and path.name[0] != "."]
    if strange:
        raise UserError(
            f"the folder holds {strange[0].name!r}, which is not part of a studio benchmark",
            folder,
            "give a folder that is new, empty, or an earlier benchmark's",
        )
    for path in ours:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _hear(name, folder, settings):
    """Write a HEAR task of five folds; return its layout, metric and number of clips."""
    task, count = clips.TASKS[name], settings.benchmark_clips
    answers = {fold: {} for fold in range(clips.FOLDS)}
    for number in cli.progress(range(count), count, name, "clips"):
        fold, labels, sound = clips.clip(task, number, count, settings.seed, name)
        file = f"{name}-{number:05d}.wav"
        _write_wav(folder / "48000" / f"fold{fold:02d}" / file, sound)
        answers[fold][file] = list(labels)
    for fold, listed in answers.items():
        write_json(folder / f"fold{fold:02d}.json", listed)
    write_text(folder / "labelvocabulary.csv", _vocabulary(task.labels))
    metadata = _metadata(name, task)
    write_json(folder / "task_metadata.json", metadata)
    return "hear", metadata["metric"], count


def _metadata(name, task):
    """Return the object of a HEAR task_metadata.json."""
    return {
        "task_name": name,
        "version": "v1",
        "mode": "full",
        "embedding_type": "scene",
        "prediction_type": "multilabel" if task.multilabel else "multiclass",
        "split_mode": "presplit_kfold",
        "nfolds": clips.FOLDS,
        "splits": [f"fold{fold:02d}" for fold in range(clips.FOLDS)],
        "sample_duration": task.seconds,
        "evaluation": ["mAP", "top1_acc"] if task.multilabel else ["top1_acc"],
        "metric": "map_percent" if task.multilabel else "accuracy_percent",
    }


def _vocabulary(labels):
    """Return the text of a labelvocabulary.csv."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerows([("idx", "label"), *enumerate(labels)])
    return target.getvalue()


def _write_wav(path, sound):
    """Write float32 sound in [-1, 1] as 16-bit WAV at 48 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = np.rint(sound * 32767.0).astype(np.int16)
    soundfile.write(path, whole, AUDIO_HZ, subtype="PCM_16")


def _digest(folder):
    """Return the SHA-256 of the sorted list of "hash  relative path" of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    return hashlib.sha256("".join(listed).encode()).hexdigest()


if __name__ == "__main__":
    cli.run(main)
