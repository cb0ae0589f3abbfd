"""Several tasks on one set of clips, decoded and embedded once: LVU's nine.

A decoded benchmark has one task, or says in about["tasks"] how its columns of labels and its
rotations are shared out among several.
"""

import dataclasses

import numpy as np

# The tasks of LVU, in the order of its paper's table.
LVU = (
    "relationship",
    "way_speaking",
    "scene",
    "director",
    "genre",
    "writer",
    "year",
    "like_ratio",
    "view_count",
)


@dataclasses.dataclass(frozen=True)
class Task:
    """What a layout says of one of several tasks on its clips.

    labels: (clips, columns) 0/1 of the classes, or float32 (clips, 1) of a regression's targets;
    roles: (rotations, clips) int8, UNUSED for clips of other tasks.
    """

    name: str
    metric: str
    classes: tuple
    labels: np.ndarray
    roles: np.ndarray


def entry_names(name, found):
    """Return the names in metrics.json of what a benchmark `name` is scored on, among the names `found` there.

    LVU has an entry per task; a benchmark of which nothing is found has its own name.
    """
    mine = [f"{name}-{task}" for task in LVU if f"{name}-{task}" in found]
    return [name] if name in found or not mine else mine


def joined(tasks):
    """Return (about["tasks"], labels (clips, all columns) float32, roles (all rotations, clips))."""
    about = [
        {
            "name": task.name,
            "metric": task.metric,
            "classes": list(task.classes),
            "columns": int(task.labels.shape[1]),
            "rotations": len(task.roles),
        }
        for task in tasks
    ]
    labels = np.concatenate([np.asarray(task.labels, np.float32) for task in tasks], axis=1)
    return about, labels, np.concatenate([task.roles for task in tasks])


def split(about, labels, roles):
    """Yield (entry name, metric, labels, roles) of each task of a decoded benchmark.

    about, labels, roles: those of a `store.Decoded`. A benchmark with one task is that task.
    """
    if "tasks" not in about:
        yield about["benchmark"], about["metric"], labels, roles
        return
    column = rotation = 0
    for task in about["tasks"]:
        columns = slice(column, column := column + task["columns"])
        rotations = slice(rotation, rotation := rotation + task["rotations"])
        name = f"{about['benchmark']}-{task['name']}"
        yield name, task["metric"], labels[:, columns], roles[rotations]
