"""Benchmarks in the layouts in which their owners publish them: who is in, with which label.

A layout is a function folder -> `Benchmark`, registered in `LAYOUTS`. It reads lists only, never
media: a clip that a list names and the disk lacks is found, and named, by `prepare`.
"""

import re
from pathlib import Path

from soundstage.errors import UserError
from soundstage.evaluate.layouts import ave, kinetics_sounds, lvu
from soundstage.evaluate.lists import (
    Benchmark,
    Clip,
    cells,
    numbers,
    parsed,
    parsed_lines,
    parsed_rows,
    rows,
    video_of,
    videos_by_stem,
)
from soundstage.evaluate.roles import TEST, TRAIN, UNUSED, listed, named, rotate
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
    known here, the others are reported beside it. Speakers are those of speakers.csv
    (columns file, speaker) or of file names that hold them. Tasks scored on time stamps have another
    protocol and are refused.
    """
    metrics, named_splits = _hear_task(folder)
    classes = _vocabulary(folder / "labelvocabulary.csv")
    splits = _hear_splits(folder, named_splits)
    parts = [_hear_clips(folder, split, classes) for split in splits]
    clips = [clip for part in parts for clip in part]
    where = [number for number, part in enumerate(parts) for _ in part]
    roles = named([splits[i] for i in where]) if "test" in splits else rotate(where)
    speakers = hear_speakers(folder, clips)
    return Benchmark("hear", "audio", metrics[0], tuple(classes), tuple(clips), roles, tuple(metrics[1:]), speakers)


def _hear_task(folder):
    """Return (metrics, splits that must be there) of a task_metadata.json."""
    path = folder / "task_metadata.json"
    task = read_json(path)
    if task.get("embedding_type", "scene") != "scene":
        raise UserError("expected a task of whole clips, found one of time stamps", folder)
    if not isinstance(task.get("evaluation"), list):
        raise UserError("expected the key evaluation, a list of metrics", path)
    metrics = list(dict.fromkeys(METRIC_OF[name] for name in task["evaluation"] if name in METRIC_OF))
    if not metrics:
        raise UserError(f"no known metric in {task['evaluation']}", path)
    return metrics, task.get("splits", ())


def _hear_clips(folder, split, classes):
    """Return the `Clip`s of one split, by name; UserError for a split without clips and for labels that are no list."""
    path = folder / f"{split}.json"
    listed = read_json(path)
    if not listed or not isinstance(listed, dict):
        raise UserError("expected clips and their labels, found none", path, "complete the download")
    clips = []
    for name, labels in sorted(listed.items()):
        if not isinstance(labels, list):
            raise UserError(f"expected a list of labels of {name}, found {labels!r}", path)
        file = folder / "48000" / split / name
        clips.append(Clip(f"{split}/{name}", file, numbers(labels, classes, path), name))
    return clips


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


def _hear_splits(folder, wanted):
    """Return the splits of a HEAR task; wanted: those that its metadata name, where it does."""
    names = sorted(path.stem for path in folder.glob("*.json"))
    missing = [name for name in wanted if name not in names]
    if missing:
        what = "expected the clips of a split that task_metadata.json names, found nothing"
        raise UserError(what, folder / f"{missing[0]}.json", "complete the download")
    folds = [name for name in names if re.fullmatch(r"fold\d+", name)]
    fixed = [name for name in ("train", "valid", "test") if name in names]
    if len(folds) < 3 and len(fixed) != 3:
        raise UserError(f"expected train, valid and test or 3 folds, found {folds + fixed}", folder)
    return fixed if len(fixed) == 3 else folds


def _vocabulary(path):
    """Return {label: index} of a labelvocabulary.csv with the columns idx and label."""
    listed = sorted(parsed_rows(path, ("idx", "label"), lambda idx, label: (int(idx), label), "a number and a label"))
    if [index for index, _ in listed] != list(range(len(listed))):
        raise UserError(f"expected the numbers 0 to {len(listed) - 1}, each once", path)
    classes = {}
    for index, label in listed:
        if classes.setdefault(label, index) != index:
            raise UserError(f"label {label!r} stands there twice", path)
    return classes


def ucf101(folder):
    """Read UCF101: UCF-101/<Class>/*.avi and ucfTrainTestlist/{classInd,trainlist0N,testlist0N}.

    Each published split is a rotation without validation clips; a recording is a class's group
    number (g01 ..), whose clips were cut from one video.
    """
    lists = folder / "ucfTrainTestlist"
    names = parsed_lines(lists / "classInd.txt", _ucf_class, "a number and a class")
    classes = {name: number for number, name in enumerate(names)}
    splits = sorted(lists.glob("testlist*.txt"))
    if not splits:
        raise UserError("expected testlist01.txt, found none", lists)
    entries = []
    for rotation, test_list in enumerate(splits):
        train_list = test_list.with_name(test_list.name.replace("testlist", "trainlist"))
        for path, role in ((train_list, TRAIN), (test_list, TEST)):
            clips = parsed_lines(path, lambda line: _ucf_clip(folder, line, classes), _UCF_LINE)
            entries += [(clip.name, rotation, role, path) for clip in clips]
    found, roles = listed(entries, len(splits))
    clips = tuple(_ucf_clip(folder, name, classes) for name in found)
    return Benchmark("ucf101", "audiovisual", "accuracy_percent", tuple(classes), clips, roles)


_UCF_LINE = "<class>/<name>.avi of a class of classInd.txt, and its number in lists of training clips"


def _ucf_class(line):
    number, name = line.split(maxsplit=1)
    int(number)
    return name.strip()


def _ucf_clip(folder, line, classes):
    """Return the `Clip` of a line; KeyError for an unknown class, ValueError for a line without a file."""
    name = re.sub(r"(\.avi) +\d+$", r"\1", line.strip())
    if not name.endswith(".avi"):
        raise ValueError
    label = classes[name.split("/")[0]]
    return Clip(name, folder / "UCF-101" / name, (label,), re.sub(r"_c\d+\.avi$", "", name))


def hmdb51(folder):
    """Read HMDB51: <class>/*.avi and <class>_test_splitN.txt with 1 = train, 2 = test, 0 = unused.

    The lists may lie in any folder below, one for each class and split. Its files have no useful sound:
    media is video. A recording is what stands before the class in a file's name.
    """
    lists = {}
    for path in sorted(folder.rglob("*_test_split[0-9].txt")):
        lists[re.fullmatch(r"(.+)_test_split(\d)\.txt", path.name).groups()] = path
    classes = {name: number for number, name in enumerate(sorted({name for name, _ in lists}))}
    splits = sorted({split for _, split in lists})
    missing = [f"{name}_test_split{split}.txt" for name in classes for split in splits if (name, split) not in lists]
    if missing:
        more = ", ..." * (len(missing) > 5)
        raise UserError(f"expected the lists {', '.join(missing[:5])}{more}, found none", folder)
    expected = "a file and 1 = train, 2 = test or 0 = unused"
    entries = [
        (f"{label}/{name}", splits.index(split), role, path)
        for (label, split), path in lists.items()
        for name, role in parsed_lines(path, _hmdb_line, expected)
    ]
    found, roles = listed(entries, len(splits))
    clips = tuple(_hmdb_clip(folder, name, classes) for name in found)
    return Benchmark("hmdb51", "video", "accuracy_percent", tuple(classes), clips, roles)


def _hmdb_line(line):
    name, mark = line.strip().rsplit(maxsplit=1)
    return name, {"0": UNUSED, "1": TRAIN, "2": TEST}[mark]


def _hmdb_clip(folder, name, classes):
    label, file = name.split("/", 1)
    return Clip(name, folder / label / file, (classes[label],), file.split(f"_{label}_")[0])


def esc50(folder):
    """Read ESC-50 as published: audio/*.wav and meta/esc50.csv with five folds numbered from 1."""
    path = folder / "meta" / "esc50.csv"
    expected = "a file, a fold from 1 to 5, a class's number and its name"
    listed = sorted(parsed_rows(path, ("filename", "fold", "target", "category"), _esc50_row, expected))
    missing = sorted({1, 2, 3, 4, 5} - {fold for _, fold, _, _ in listed})
    if missing:
        found = ", ".join(map(str, missing))
        raise UserError(f"expected clips of every fold from 1 to 5, found none of {found}", path)
    names = {target: category for _, _, target, category in listed}
    order = sorted(names)
    clips = tuple(
        Clip(name, folder / "audio" / name, (order.index(target),), name.rsplit("-", 2)[0])
        for name, _, target, _ in listed
    )
    roles = rotate([fold - 1 for _, fold, _, _ in listed])
    return Benchmark("esc50", "audio", "accuracy_percent", tuple(names[target] for target in order), clips, roles)


def _esc50_row(name, fold, target, category):
    if int(fold) not in range(1, 6):
        raise ValueError
    return name, int(fold), int(target), category


def vggsound(folder):
    """Read VGGSound: vggsound.csv without header, of YouTube id, start second, label, split.

    Each clip is its own file `<id>_<start as six digits>` with a video's suffix anywhere below the folder.
    There is one split, train and test; a recording is a YouTube video. Equal rows count once.
    """
    path = next(iter(sorted(folder.rglob("vggsound.csv"))), folder / "vggsound.csv")
    found = parsed(path, cells(path), _vggsound_row, "id, start, label, train or test")
    classes = {label: number for number, label in enumerate(sorted({label for _, _, label, _ in found}))}
    files, clips, splits = videos_by_stem(folder), [], []
    for video, start, label, split in sorted(set(found)):
        name = f"{video}_{int(start):06d}"
        file = video_of(files, [name], folder / "video" / f"{name}.mp4")
        clips.append(Clip(name, file, (classes[label],), video))
        splits.append(split)
    about = ("vggsound", "audiovisual", "accuracy_percent", tuple(classes))
    return Benchmark(*about, tuple(clips), named(splits), ("map_percent",))


def _vggsound_row(row):
    """Return a row as it is, since clips are in the order of its text; ValueError where it is no clip."""
    video, start, label, split = row
    if split not in ("train", "test") or int(start) < 0:
        raise ValueError
    return video, start, label, split


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
