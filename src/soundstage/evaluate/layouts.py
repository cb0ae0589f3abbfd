"""The layouts of collections of YouTube videos: Kinetics-Sounds, AVE, LVU. They read lists, never media."""

import math
import re
from functools import partial

import numpy as np

from soundstage.errors import UserError
from soundstage.evaluate.lists import Benchmark, Clip, lines, parsed, parsed_lines, video_of, videos_by_stem
from soundstage.evaluate.roles import TEST, TRAIN, UNUSED, VALID, named
from soundstage.evaluate.tasks import LVU, Task

# LVU's regressions: what is taken off, so that targets are about zero on its training clips.
LIKE_OFFSET, VIEW_OFFSET = 9.138220535629456, 11.76425435683139


def kinetics_sounds(folder):
    """Read a list of Kinetics-Sounds: lines `<id>_<start>_<end>,10,<class>` in *train* and *test* files.

    There is no canonical list, so that the files' names and the number of classes go with every score.
    Videos lie below the folder, named by the clip or by the YouTube id alone; a recording is an id. Equal lines of
    a list count once.
    """
    lists = {part: _one_list(folder, part) for part in ("train", "test")}
    clips, splits, files = {}, [], videos_by_stem(folder)
    expected = "id_start_end,10,class"
    listed = {part: dict.fromkeys(parsed_lines(path, _kinetics_line, expected)) for part, path in lists.items()}
    classes = sorted({label for found in listed.values() for _, label in found})
    for part, found in listed.items():
        for name, label in found:
            if name in clips:
                raise UserError(f"clip named twice: {name}", lists[part])
            video = re.sub(r"_\d+_\d+$", "", name)
            path = video_of(files, [name, video], folder / part / f"{name}.mp4")
            clips[name] = Clip(name, path, (classes.index(label),), video)
            splits.append(part)
    source = f"{lists['train'].name} and {lists['test'].name}, {len(classes)} classes"
    about = ("kinetics_sounds", "audiovisual", "accuracy_percent", tuple(classes))
    return Benchmark(*about, tuple(clips.values()), named(splits), source=source)


def _one_list(folder, part):
    found = [path for suffix in ("txt", "csv") for path in sorted(folder.rglob(f"*{part}*.{suffix}"))]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UserError(f"expected one list *{part}*.txt or .csv, found {names}", folder)
    return found[0]


def _kinetics_line(line):
    name, _, label = (field.strip() for field in line.split(","))
    if not re.fullmatch(r".+_\d+_\d+", name):
        raise ValueError
    return name, label


def ave(folder):
    """Read AVE as a classification of clips: Annotations.txt, {train,val,test}_order.h5, AVE/<id>.mp4.

    Annotations are lines category&id&quality&start&end under a header; the order files, or trainSet.txt,
    valSet.txt and testSet.txt with such lines, say who is in which split. A clip's label is its category.
    """
    path = next(iter(sorted(folder.rglob("Annotations.txt"))), folder / "data" / "Annotations.txt")
    rows = _ave_lines(path)
    classes = tuple(dict.fromkeys(row[0] for row in rows))
    split_of = _ave_splits(path, rows)
    files = videos_by_stem(folder)
    seen, clips, splits = {}, [], []
    for number, (label, video) in enumerate(rows):
        if number in split_of:
            seen[video] = seen.get(video, 0) + 1
            name = video if seen[video] == 1 else f"{video} ({seen[video]})"
            file = video_of(files, [video], folder / "AVE" / f"{video}.mp4")
            clips.append(Clip(name, file, (classes.index(label),), video))
            splits.append(split_of[number])
    return Benchmark("ave", "audiovisual", "accuracy_percent", classes, tuple(clips), named(splits))


def _ave_lines(path):
    """Return (category, YouTube id) of the lines below a header, if there is one."""
    entries = [entry for entry in lines(path) if not entry[1].lower().startswith("category&")]
    return parsed(path, entries, _ave_line, "category&id&quality&start&end")


def _ave_line(line):
    category, video, _, _, _ = line.strip().split("&")
    return category, video


def _ave_splits(annotations, rows):
    """Return {line from 0: "train", "valid" or "test"} of AVE's order files, or of its lists of lines."""
    found = {}
    for short, split in (("train", "train"), ("val", "valid"), ("test", "test")):
        order, listed = annotations.with_name(f"{short}_order.h5"), annotations.with_name(f"{short}Set.txt")
        if order.is_file():
            from soundstage.parse.ave import read_order

            members = read_order(order).tolist()
            if max(members, default=0) >= len(rows):
                raise UserError(f"it asks for line {max(members)}, the annotations have {len(rows)} from 0", order)
        else:
            wanted = set(_ave_lines(listed))
            members = [number for number, row in enumerate(rows) if row in wanted]
        twice = [number for number in members if number in found]
        if twice:
            raise UserError(f"line {twice[0]}, {rows[twice[0]][1]}, is in two splits", annotations)
        found.update(dict.fromkeys(members, split))
    return found


def lvu(folder):
    """Read LVU: lvu_1.0/<task>/{train,val,test}.csv, and videos/ with a file <YouTube id>.<a video's suffix> each.

    The lists are separated by spaces, with a header; the id is the second-last field, since names of
    classes may hold spaces; a missing writer (`\\N`) is a class as published. The two regressions are
    like ratio, 10 like / (like + dislike), and ln(views), each less its published offset. Every task
    found is one of the benchmark's tasks.
    """
    root = folder / "lvu_1.0" if (folder / "lvu_1.0").is_dir() else folder
    tasks = [name for name in LVU if (root / name).is_dir()]
    if not tasks:
        raise UserError(f"expected one of the folders {', '.join(LVU)}, found none", root)
    read, left_out = {}, []
    for task in tasks:
        read[task], lost = _lvu_task(root / task, task)
        left_out += lost
    videos = sorted({video for entries in read.values() for video in entries})
    files = videos_by_stem(folder / "videos")
    clips = tuple(Clip(v, video_of(files, [v], folder / "videos" / f"{v}.mp4"), (), v) for v in videos)
    made = tuple(_as_task(task, read[task], videos) for task in tasks)
    roles = np.concatenate([task.roles for task in made])
    return Benchmark("lvu", "audiovisual", "accuracy_percent", (), clips, roles, tasks=made, left_out=tuple(left_out))


def _lvu_task(folder, task):
    """Return ({video: (role, label or target)}, [(video, reason)]) of one task's lists."""
    wanted = {"like_ratio": 4, "view_count": 3}.get(task, 4)
    entries, lost = {}, []
    for split, role in (("train", TRAIN), ("val", VALID), ("test", TEST)):
        path = folder / f"{split}.csv"
        read = partial(_lvu_line, task, wanted)
        for line, video, label in parsed(path, lines(path)[1:], read, f"{wanted} or more fields separated by spaces"):
            if video in entries and entries[video] != (role, label):
                raise UserError(f"{video} is listed twice, with another label or in another split", path)
            if label is None:
                lost.append((video, f"{task}: {line!r} has no ratio or logarithm"))
            else:
                entries[video] = role, label
    return entries, lost


def _lvu_line(task, wanted, line):
    """Return (line, YouTube id, class number and name, or target, or None where it has none) of a line."""
    fields = line.split()
    if len(fields) < wanted:
        raise ValueError
    label = {"like_ratio": _like_ratio, "view_count": _view_count}.get(task, _class)
    return line.strip(), fields[-2], label(fields)


def _like_ratio(fields):
    like, dislike = float(fields[0]), float(fields[1])
    return 10 * like / (like + dislike) - LIKE_OFFSET if like + dislike else None


def _view_count(fields):
    views = float(fields[0])
    return math.log(views) - VIEW_OFFSET if views > 0 else None


def _class(fields):
    return int(fields[0]), " ".join(fields[1:-2]).strip('"')


def _as_task(name, entries, videos):
    """Return the `Task` of {video: (role, label)} over all videos; a column for each class that occurs."""
    roles = np.full((1, len(videos)), UNUSED, np.int8)
    place = {video: number for number, video in enumerate(videos)}
    for video, (role, _) in entries.items():
        roles[0, place[video]] = role
    if name in ("like_ratio", "view_count"):
        labels = np.full((len(videos), 1), np.nan, np.float32)
        for video, (_, target) in entries.items():
            labels[place[video]] = target
        return Task(name, "mean_squared_error", (), labels, roles)
    classes = dict(sorted({label for _, label in entries.values()}))
    column = {number: index for index, number in enumerate(classes)}
    labels = np.zeros((len(videos), len(classes)), np.float32)
    for video, (_, (number, _)) in entries.items():
        labels[place[video], column[number]] = 1
    return Task(name, "accuracy_percent", tuple(classes.values()), labels, roles)
