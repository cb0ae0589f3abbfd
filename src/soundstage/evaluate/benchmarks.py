"""Benchmarks in the layouts in which their owners publish them: who is in, with which label.

A layout is a function folder -> `Benchmark`, registered in `LAYOUTS`. It reads lists only, never
media: a clip that a list names and the disk lacks is found, and named, by `prepare`.
"""

import csv
import re
from pathlib import Path

import numpy as np

from soundstage.errors import UserError
from soundstage.evaluate.layouts import ave, kinetics_sounds, lvu
from soundstage.evaluate.lists import Benchmark, Clip, lines, numbers, rows
from soundstage.evaluate.roles import TEST, TRAIN, UNUSED, named, rotate
from soundstage.files import read_json

# The group of each official benchmark, by the start of its folder's name.
GROUP_OF = {
    "esc50": "auditory",
    "fsd50k": "auditory",
    "gunshot_triangulation": "auditory",
    "beehive_states": "auditory",
    "vocal_imitation": "paralinguistic",
    "tfds_crema_d": "paralinguistic",
    "libricount": "paralinguistic",
    "vox_lingua_top10": "linguistic",
    "speech_commands": "linguistic",
    "tfds_gtzan": "music",
    "nsynth_pitch": "music",
    "mridangam": "music",
    "beijing_opera": "music",
    "ucf": "audiovisual",
    "hmdb51": "audiovisual",
    "vggsound": "audiovisual",
    "kinetics": "audiovisual",
    "ave": "audiovisual",
    "lvu": "audiovisual",
}

# Names of metrics in task lists and manifests -> ours. HEAR's d_prime is a function of the AUC and left out.
METRIC_OF = {
    "accuracy_percent": "accuracy_percent",
    "accuracy": "accuracy_percent",
    "top1_acc": "accuracy_percent",
    "pitch_acc": "accuracy_percent",
    "chroma_acc": "chroma_accuracy_percent",
    "aucroc": "auc_percent",
    "map_percent": "map_percent",
    "map": "map_percent",
    "mAP": "map_percent",
}


def load(folder, layout=None):
    """Return the `Benchmark` in `folder`; its layout is recognised unless named."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError("expected a benchmark's folder, found nothing", folder)
    layout = layout or recognise(folder)
    if layout not in LAYOUTS:
        raise UserError(f"unknown layout {layout!r}", folder, f"use one of {', '.join(LAYOUTS)}")
    benchmark = LAYOUTS[layout](folder)
    names = [clip.name for clip in benchmark.clips]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UserError(f"clips named twice: {', '.join(twice[:5])}", folder)
    if not names:
        raise UserError("expected clips, found none in the lists", folder)
    return benchmark


def recognise(folder):
    """Return the layout of a benchmark's folder by the list files that only it has."""
    signs = {
        "hear": folder.glob("task_metadata.json"),
        "ucf101": folder.glob("ucfTrainTestlist"),
        "esc50": folder.glob("meta/esc50.csv"),
        "vggsound": folder.rglob("vggsound.csv"),
        "ave": folder.rglob("Annotations.txt"),
        "lvu": folder.glob("lvu_1.0/*/train.csv"),
        "hmdb51": folder.rglob("*_test_split1.txt"),
    }
    for layout, found in signs.items():
        if next(iter(found), None) is not None:
            return layout
    raise UserError(
        "cannot tell the benchmark's layout: no list of clips found",
        folder,
        f"complete the download, or name one of {', '.join(LAYOUTS)}",
    )


def group_of(name):
    """Return the group of an official benchmark by its folder's name, or None."""
    name = name.lower()
    return next((group for start, group in GROUP_OF.items() if name.startswith(start)), None)


def hear(folder):
    """Read a HEAR task: 48000/<split>/*.wav, <split>.json, labelvocabulary.csv, task_metadata.json.

    Splits are fold00 .. or train, valid, test. The metric is the first in the task's list that is
    known here, the others are reported beside it by HEAR's own probe. Speakers are those of speakers.csv
    (columns file, speaker) or of file names that hold them. Tasks scored on time stamps have another
    protocol and are refused.
    """
    task = read_json(folder / "task_metadata.json")
    if task.get("embedding_type", "scene") != "scene":
        raise UserError("expected a task of whole clips, found one of time stamps", folder)
    metrics = list(dict.fromkeys(METRIC_OF[name] for name in task["evaluation"] if name in METRIC_OF))
    if not metrics:
        raise UserError(f"no known metric in {task['evaluation']}", folder / "task_metadata.json")
    classes = _vocabulary(folder / "labelvocabulary.csv")
    splits = _hear_splits(folder)
    clips, where = [], []
    for number, split in enumerate(splits):
        listed = read_json(folder / f"{split}.json")
        for name in sorted(listed):
            labels = numbers(listed[name], classes, folder / f"{split}.json")
            path = folder / "48000" / split / name
            clips.append(Clip(f"{split}/{name}", path, labels, name))
            where.append(number)
    roles = named([splits[i] for i in where]) if "test" in splits else rotate(where)
    speakers = hear_speakers(folder, clips)
    return Benchmark("hear", "audio", metrics[0], tuple(classes), tuple(clips), roles, tuple(metrics[1:]), speakers)


def hear_speakers(folder, clips):
    """Return (clips,) str of who speaks in HEAR's clips, or () where it is not known of every clip."""
    path = folder / "speakers.csv"
    known = {row["file"]: row["speaker"] for row in rows(path, ("file", "speaker"))} if path.is_file() else {}
    found = [known.get(clip.recording) or _speaker_in_name(clip.recording) for clip in clips]
    return tuple(found) if all(found) else ()


def _speaker_in_name(name):
    """Return the speaker of a file of CREMA-D (1001_DFA_ANG_XX) or Speech Commands (0a7c2a8d_nohash_0)."""
    found = re.search(r"(?:^|_)(\d{4})_[A-Z]{3}_[A-Z]{3}_|(?:^|_)([0-9a-f]{8})_nohash_", name)
    return (found[1] or found[2]) if found else None


def _hear_splits(folder):
    names = sorted(path.stem for path in folder.glob("*.json"))
    folds = [name for name in names if re.fullmatch(r"fold\d+", name)]
    fixed = [name for name in ("train", "valid", "test") if name in names]
    if len(folds) < 3 and len(fixed) != 3:
        raise UserError(f"expected train, valid and test or 3 folds, found {folds + fixed}", folder)
    return fixed if len(fixed) == 3 else folds


def _vocabulary(path):
    """Return {label: index} of a labelvocabulary.csv with the columns idx and label."""
    listed = rows(path, ("idx", "label"))
    return {row["label"]: int(row["idx"]) for row in sorted(listed, key=lambda row: int(row["idx"]))}


def ucf101(folder):
    """Read UCF101: UCF-101/<Class>/*.avi and ucfTrainTestlist/{classInd,trainlist0N,testlist0N}.

    Each published split is a rotation without validation clips; a recording is a class's group
    number (g01 ..), whose clips were cut from one video.
    """
    lists = folder / "ucfTrainTestlist"
    names = [line.split(maxsplit=1) for line in lines(lists / "classInd.txt")]
    classes = {name.strip(): number for number, (_, name) in enumerate(names)}
    splits = sorted(lists.glob("testlist*.txt"))
    if not splits:
        raise UserError("expected testlist01.txt, found none", lists)
    roles = {}
    for rotation, test_list in enumerate(splits):
        train_list = test_list.with_name(test_list.name.replace("testlist", "trainlist"))
        for path, role in ((train_list, TRAIN), (test_list, TEST)):
            for line in lines(path):
                name = re.sub(r"(\.avi) +\d+\s*$", r"\1", line.strip())
                roles.setdefault(name, [UNUSED] * len(splits))[rotation] = role
    clips = [_ucf_clip(folder, name, classes, lists) for name in sorted(roles)]
    table = np.array([roles[clip.name] for clip in clips], np.int8).reshape(-1, len(splits)).T
    return Benchmark("ucf101", "audiovisual", "accuracy_percent", tuple(classes), tuple(clips), table)


def _ucf_clip(folder, name, classes, lists):
    label = name.split("/")[0]
    if label not in classes:
        raise UserError(f"class {label!r} is not in classInd.txt", lists)
    recording = re.sub(r"_c\d+\.avi$", "", name)
    return Clip(name, folder / "UCF-101" / name, (classes[label],), recording)


def hmdb51(folder):
    """Read HMDB51: <class>/*.avi and <class>_test_splitN.txt with 1 = train, 2 = test, 0 = unused.

    The lists may lie in any folder below. Its files have no useful sound: media is video. A
    recording is what stands before the class in a file's name.
    """
    lists = sorted(folder.rglob("*_test_split[0-9].txt"))
    found = [re.fullmatch(r"(.+)_test_split(\d)\.txt", path.name).groups() for path in lists]
    classes = {name: number for number, name in enumerate(sorted({name for name, _ in found}))}
    splits = sorted({split for _, split in found})
    roles, code = {}, {"0": UNUSED, "1": TRAIN, "2": TEST}
    for path, (label, split) in zip(lists, found, strict=True):
        for line in lines(path):
            name, mark = line.strip().rsplit(maxsplit=1)
            row = roles.setdefault((label, name), [UNUSED] * len(splits))
            row[splits.index(split)] = code[mark]
    clips = [_hmdb_clip(folder, label, name, classes) for label, name in sorted(roles)]
    table = np.array([roles[key] for key in sorted(roles)], np.int8).reshape(-1, len(splits)).T
    return Benchmark("hmdb51", "video", "accuracy_percent", tuple(classes), tuple(clips), table)


def _hmdb_clip(folder, label, name, classes):
    recording = name.split(f"_{label}_")[0]
    return Clip(f"{label}/{name}", folder / label / name, (classes[label],), recording)


def esc50(folder):
    """Read ESC-50 as published: audio/*.wav and meta/esc50.csv with five folds numbered from 1."""
    listed = rows(folder / "meta" / "esc50.csv", ("filename", "fold", "target", "category"))
    listed = sorted(listed, key=lambda row: row["filename"])
    names = {int(row["target"]): row["category"] for row in listed}
    order = sorted(names)
    clips = [
        Clip(
            row["filename"],
            folder / "audio" / row["filename"],
            (order.index(int(row["target"])),),
            row["filename"].rsplit("-", 2)[0],
        )
        for row in listed
    ]
    roles = rotate([int(row["fold"]) - 1 for row in listed])
    classes = tuple(names[target] for target in order)
    return Benchmark("esc50", "audio", "accuracy_percent", classes, tuple(clips), roles)


def vggsound(folder):
    """Read VGGSound: vggsound.csv without header, of YouTube id, start second, label, split.

    Each clip is its own file `<id>_<start as six digits>` with any media suffix below the folder.
    There is one split, train and test; a recording is a YouTube video.
    """
    path = next(iter(sorted(folder.rglob("vggsound.csv"))), folder / "vggsound.csv")
    listed = list(csv.reader(lines(path)))
    wrong = [row for row in listed if len(row) != 4 or row[3] not in ("train", "test")]
    if wrong:
        raise UserError(f"expected id, start, label, train or test; found {wrong[0]}", path)
    classes = {label: number for number, label in enumerate(sorted({row[2] for row in listed}))}
    files = {file.stem: file for file in sorted(folder.rglob("*_[0-9]*.*"))}
    clips, splits = [], []
    for video, start, label, split in sorted(listed):
        name = f"{video}_{int(start):06d}"
        file = files.get(name, folder / "video" / f"{name}.mp4")
        clips.append(Clip(name, file, (classes[label],), video))
        splits.append(split)
    about = ("vggsound", "audiovisual", "accuracy_percent", tuple(classes))
    return Benchmark(*about, tuple(clips), named(splits), ("map_percent",))


LAYOUTS = {
    "hear": hear,
    "ucf101": ucf101,
    "hmdb51": hmdb51,
    "esc50": esc50,
    "vggsound": vggsound,
    "kinetics_sounds": kinetics_sounds,
    "ave": ave,
    "lvu": lvu,
}
