"""Benchmarks of YouTube videos in their owners' layouts, with their quirks; several tasks on one set of clips."""

import json
import math
import shutil

import h5py
import jsonschema
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from soundstage.errors import UserError
from soundstage.evaluate import benchmarks, prepare, protocols, run, store, tasks
from soundstage.evaluate.metrics import majority, mean_squared_error
from soundstage.evaluate.ridge import ridge
from soundstage.evaluate.roles import TEST, TRAIN, UNUSED, VALID
from soundstage.evaluate.schema import METRICS
from soundstage.evaluate.settings import Settings
from soundstage.model.settings import Inputs


def lvu_tree(folder, videos=()):
    """Write three of LVU's tasks with their quirks; videos: (id, source file) to copy."""
    lists = {
        ("director", "train"): ["0 Ron_Howard aaaaaaaaaaa tt1", '4 "John Doe" -b_bbbbbbbb tt2'],
        ("director", "val"): ["0 Ron_Howard ccccccccccc tt3"],
        ("director", "test"): ["4 John Doe ddddddddddd tt4"],
        ("writer", "train"): ["0 \\N aaaaaaaaaaa tt1"],
        ("writer", "val"): ["2 Stephen King ddddddddddd tt4"],
        ("writer", "test"): ["2 Stephen King ccccccccccc tt3", "2 Stephen King ccccccccccc tt3"],
        ("like_ratio", "train"): ["30 10 aaaaaaaaaaa tt1", "0 0 -b_bbbbbbbb tt2"],
        ("like_ratio", "val"): ["9 1 ccccccccccc tt3"],
        ("like_ratio", "test"): ["1 0 ddddddddddd tt4"],
        ("view_count", "train"): ["1000 aaaaaaaaaaa tt1"],
        ("view_count", "val"): ["0 -b_bbbbbbbb tt2"],
        ("view_count", "test"): ["123456 ddddddddddd tt4"],
    }
    for (task, split), rows in lists.items():
        path = folder / "lvu_1.0" / task / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("some header line\n" + "\n".join(rows) + "\n")
    for name, source in videos:
        (folder / "videos" / "deep").mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / "videos" / "deep" / f"{name}{source.suffix}")
    return folder


def test_lvu_lists_with_their_quirks(tmp_path):
    found = benchmarks.load(lvu_tree(tmp_path))
    assert found.layout == "lvu" and found.media == "audiovisual"
    names = [clip.name for clip in found.clips]
    assert names == ["-b_bbbbbbbb", "aaaaaaaaaaa", "ccccccccccc", "ddddddddddd"]
    director, writer, like, views = found.tasks
    assert [task.name for task in found.tasks] == ["director", "writer", "like_ratio", "view_count"]
    assert director.classes == ("Ron_Howard", "John Doe")
    assert director.labels.tolist() == [[0, 1], [1, 0], [1, 0], [0, 1]]
    assert director.roles.tolist() == [[TRAIN, TRAIN, VALID, TEST]]
    assert writer.classes == ("\\N", "Stephen King") and writer.roles.tolist() == [[UNUSED, TRAIN, TEST, VALID]]
    expected = [np.nan, 7.5 - 9.138220535629456, 9 - 9.138220535629456, 10 - 9.138220535629456]
    assert np.allclose(like.labels[:, 0], expected, equal_nan=True)
    assert like.roles.tolist() == [[UNUSED, TRAIN, VALID, TEST]]
    assert views.labels[3, 0] == pytest.approx(math.log(123456) - 11.76425435683139)
    assert [clip for clip, _ in found.left_out] == ["-b_bbbbbbbb", "-b_bbbbbbbb"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x y", "4 or more fields"),
        ("one Ron aaaaaaaaaaa tt1", "4 or more"),
        ("4 John Doe aaaaaaaaaaa tt1", "listed twice"),
    ],
)
def test_lvu_lines_that_cannot_be_read_are_named(tmp_path, line, message):
    path = lvu_tree(tmp_path) / "lvu_1.0" / "director" / "val.csv"
    path.write_text(f"header\n{line}\n")
    with pytest.raises(UserError, match=message) as caught:
        benchmarks.load(tmp_path)
    assert str(path) in str(caught.value)


def test_kinetics_sounds_names_its_list(tmp_path):
    (tmp_path / "my_train.txt").write_text("-a_b_000010_000020,10,playing drums\nxyz_000001_000011,10,tap dancing\n")
    (tmp_path / "my_test.txt").write_text("q_r_000003_000013,10,playing drums\n")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "-a_b.webm").touch()
    (tmp_path / "videos" / "xyz_000001_000011.mp4").touch()
    found = benchmarks.load(tmp_path, "kinetics_sounds")
    assert found.source == "my_train.txt and my_test.txt, 2 classes"
    assert found.classes == ("playing drums", "tap dancing") and found.roles.tolist() == [[TRAIN, TRAIN, TEST]]
    assert [clip.path.is_file() for clip in found.clips] == [True, True, False]
    assert [clip.recording for clip in found.clips] == ["-a_b", "xyz", "q_r"]
    (tmp_path / "other_train.csv").touch()
    with pytest.raises(UserError, match="expected one list .* my_train.txt, other_train.csv"):
        benchmarks.load(tmp_path, "kinetics_sounds")


def ave_tree(folder, orders=True):
    """Write AVE's lists of five videos; one id occurs in two lines."""
    rows = ["Church bell&aaa&good&0&10", "Bark&bbb&good&2&5", "Bark&ccc&good&0&3", "Church bell&ddd&good&1&2"]
    rows += ["Bark&aaa&good&4&4"]
    data = folder / "data"
    data.mkdir()
    (data / "Annotations.txt").write_text("Category&VideoID&Quality&StartTime&EndTime\n" + "\n".join(rows) + "\n")
    for name, members in (("train", [0, 3]), ("val", [2]), ("test", [1, 4])):
        if orders:
            with h5py.File(data / f"{name}_order.h5", "w") as file:
                file["order"] = np.array(members)
        else:
            (data / f"{name}Set.txt").write_text("\n".join(rows[i] for i in members) + "\n")
    return folder


@pytest.mark.parametrize("orders", [True, False])
def test_ave_as_classification_of_clips(tmp_path, orders):
    found = benchmarks.load(ave_tree(tmp_path, orders))
    assert found.layout == "ave" and found.classes == ("Church bell", "Bark")
    assert [clip.name for clip in found.clips] == ["aaa", "bbb", "ccc", "ddd", "aaa (2)"]
    assert [clip.labels for clip in found.clips] == [(0,), (1,), (1,), (0,), (1,)]
    assert found.clips[1].path == tmp_path / "AVE" / "bbb.mp4"
    assert found.roles.tolist() == [[TRAIN, TEST, VALID, TRAIN, TEST]]


def test_ave_orders_that_do_not_fit_are_named(tmp_path):
    ave_tree(tmp_path)
    with h5py.File(tmp_path / "data" / "val_order.h5", "w") as file:
        file["order"] = np.array([1])
    with pytest.raises(UserError, match="line 1, bbb, is in two splits"):
        benchmarks.load(tmp_path)
    with h5py.File(tmp_path / "data" / "val_order.h5", "w") as file:
        file["order"] = np.array([5])
    with pytest.raises(UserError, match="asks for line 5, the annotations have 5"):
        benchmarks.load(tmp_path)


def test_speakers_of_hear_tasks_come_from_names_or_a_list(tmp_path):
    def clips(*names):
        return [benchmarks.Clip(f"fold00/{name}", tmp_path / name, (0,), name) for name in names]

    speakers = benchmarks.hear_speakers
    assert speakers(tmp_path, clips("1001_DFA_ANG_XX.wav", "1091_IEO_SAD_HI.wav")) == ("1001", "1091")
    assert speakers(tmp_path, clips("yes_0a7c2a8d_nohash_0.wav", "0a7c2a8d_nohash_1.wav")) == ("0a7c2a8d",) * 2
    assert speakers(tmp_path, clips("1001_DFA_ANG_XX.wav", "tfds_id_7.wav")) == ()
    (tmp_path / "speakers.csv").write_text("file,speaker\ntfds_id_7.wav,1003\n")
    assert speakers(tmp_path, clips("1001_DFA_ANG_XX.wav", "tfds_id_7.wav")) == ("1001", "1003")


# Several tasks on one set of clips


def test_tasks_share_columns_and_rotations():
    about = {"benchmark": "lvu", "metric": "accuracy_percent"}
    labels, roles = np.eye(3), np.array([[1, 2, 3]])
    assert [part[:2] for part in tasks.split(about, labels, roles)] == [("lvu", "accuracy_percent")]
    two = [
        tasks.Task("scene", "accuracy_percent", ("a", "b", "c"), labels, np.array([[1, 2, 3], [3, 1, 2]])),
        tasks.Task("year", "mean_squared_error", (), np.array([[5.0], [6], [7]]), np.array([[0, 1, 3]])),
    ]
    shared, joint, table = tasks.joined(two)
    first, second = tasks.split({**about, "tasks": shared}, joint, table)
    assert first[:2] == ("lvu-scene", "accuracy_percent") and (first[2] == labels).all() and len(first[3]) == 2
    assert second[:2] == ("lvu-year", "mean_squared_error") and second[2].tolist() == [[5], [6], [7]]
    assert second[3].tolist() == [[0, 1, 3]]


def test_entries_of_a_benchmark_are_its_own_or_those_of_its_tasks():
    found = {"ucf101", "lvu-scene", "lvu-year", "x-lvu-year"}
    assert tasks.entry_names("ucf101", found) == ["ucf101"] and tasks.entry_names("ave", found) == ["ave"]
    assert tasks.entry_names("lvu", found) == ["lvu-scene", "lvu-year"]
    assert tasks.entry_names("x-lvu", found) == ["x-lvu-year"]


def planted(count=300, dim=6):
    """Return a decoded benchmark of two tasks on half of the clips each, and embeddings that tell both."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, dim))
    roles = np.full((2, count), UNUSED, np.int8)
    roles[0, :200] = np.repeat([TRAIN, VALID, TEST], [100, 40, 60])
    roles[1, 100:] = np.repeat([TRAIN, VALID, TEST], [100, 40, 60])
    number = (features[:, 0] > 0.5).astype(int)
    target = 3 * features[:, 1] + 0.1 * rng.normal(size=count)
    target[:100] = np.nan
    parts = [
        tasks.Task("scene", "accuracy_percent", ("a", "b"), np.eye(2)[number], roles[:1]),
        tasks.Task("like_ratio", "mean_squared_error", (), target[:, None], roles[1:]),
    ]
    shared, labels, joint = tasks.joined(parts)
    about = {"benchmark": "lvu", "group": "audiovisual", "metric": "accuracy_percent", "tasks": shared}
    about |= {"dropped": [], "flagged": []}
    clips, none = np.array([f"c{i}" for i in range(count)]), np.arange(count)
    return store.Decoded(about, clips, labels, joint, none, none, none, none), {"audio": features.astype(np.float32)}


def test_every_task_is_scored_on_its_own_clips_from_one_embedding():
    decoded, features = planted()
    entries, lines = run.score(decoded, features, Settings())
    said = {"run": "x", "seed": 0, "inputs": {}}
    jsonschema.validate([{**entry, **said} for entry in entries], METRICS)
    scene, like = entries
    assert (scene["benchmark"], scene["n"]) == ("lvu-scene", 60) and scene["value"] > 90
    assert (like["benchmark"], like["n"], scene["probe"], like["probe"]) == ("lvu-like_ratio", 60, "linear", "ridge")
    assert like["value"] < 0.05 * like["chance"] and like["majority"] >= like["chance"]
    assert {line["benchmark"] for line in lines} == {"lvu-scene"} and len(lines) == 60


def test_ridge_is_that_of_scikit_learn():
    decoded, features = planted()
    role, target = decoded.roles[1], decoded.labels[:, 2:]
    fold = protocols.apply(
        "linear", features["audio"], target, role[None], "mean_squared_error", Settings(strengths=(0.1,))
    )[0]
    known, test = np.isin(role, [TRAIN, VALID]), role == TEST
    values = features["audio"].astype(np.float64)
    scale = StandardScaler().fit(values[known])
    model = Ridge(alpha=10.0).fit(scale.transform(values[known]), target[known, 0])
    assert np.allclose(fold.scores[:, 0], model.predict(scale.transform(values[test])), atol=1e-6)


@pytest.mark.parametrize("probe", list(protocols.PROTOCOLS))
def test_numbers_are_fitted_by_ridge_regression_under_every_probe(probe):
    decoded, features = planted()
    role, target = decoded.roles[1:], decoded.labels[:, 2:]
    about = target, role, "mean_squared_error", Settings(strengths=(0.1, 1.0)), None
    fold = protocols.apply(probe, features["audio"], *about)[0]
    expected = ridge(features["audio"], *about[:-1])[0]
    assert (fold.scores == expected.scores).all() and fold.strength == expected.strength
    assert mean_squared_error(fold.scores, target[fold.test]) < 0.1


def test_majority_is_what_the_training_clips_suggest():
    labels = np.eye(2)[[0, 0, 1, 1, 1, 0]]
    role = np.array([TRAIN, TRAIN, TRAIN, TEST, TEST, TEST])
    assert majority("accuracy_percent", labels, role) == pytest.approx(100 / 3)
    targets = np.array([[1.0], [2], [3], [2], [4], [0]])
    assert majority("mean_squared_error", targets, role) == pytest.approx(8 / 3)


# Real files


def test_real_videos_in_lvus_layout_are_decoded_once_for_all_tasks(shared, tmp_path):
    sources = sorted((shared / "media" / "ucf101").glob("*.avi"))[:2]
    mute = sorted((shared / "media" / "hmdb51").glob("*.avi"))[0]
    broken = tmp_path / "broken.avi"
    broken.write_bytes(sources[0].read_bytes()[:500])
    names = ["aaaaaaaaaaa", "ccccccccccc", "ddddddddddd", "-b_bbbbbbbb"]
    folder = lvu_tree(tmp_path / "lvu", list(zip(names, [*sources, mute, broken], strict=True)))
    shutil.rmtree(folder / "lvu_1.0" / "view_count")
    found = prepare.decode_all(benchmarks.load(folder), "lvu", "audiovisual", Inputs(), Settings())
    store.save(tmp_path / "lvu.npz", found)
    again = store.load(tmp_path / "lvu.npz")
    assert again.clips.tolist() == ["aaaaaaaaaaa", "ccccccccccc", "ddddddddddd"]
    assert [row["clip"] for row in again.about["dropped"]] == ["-b_bbbbbbbb", "-b_bbbbbbbb"]
    assert [task["name"] for task in again.about["tasks"]] == ["director", "writer", "like_ratio"]
    assert again.labels.shape == (3, 5) and again.roles.tolist() == [[1, 2, 3], [1, 3, 2], [1, 2, 3]]
    assert json.dumps(again.about) and len(again.frames_clip) >= 3
