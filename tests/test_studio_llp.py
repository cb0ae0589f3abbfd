"""The studio's LLP-like set: what is planned, what its annotations say, what is seen and heard."""

import numpy as np
import pytest

from soundstage import media
from soundstage.errors import UserError
from soundstage.parse import annotations, metric
from soundstage.parse.classes import LLP
from soundstage.studio import llp, llp_plan
from soundstage.studio.settings import Settings

TINY = Settings(llp_train=3, llp_val=2, llp_test=2)


@pytest.mark.parametrize("seed", [2304, 7])
def test_shares_of_event_seconds_are_near_those_of_llp(seed):
    planned = llp_plan.scenes(Settings(seed=seed))
    for split in llp_plan.SPLITS:
        found = llp_plan.shares([one for one in planned if one.split == split])
        for key, share in (("both", 0.57), ("audio", 0.30), ("visual", 0.13)):
            assert abs(found[key] - share) < 0.05, (split, key, found)


def test_every_class_occurs_and_names_are_those_of_videos():
    planned = llp_plan.scenes(Settings())
    assert len(planned) == 900 and len({one.filename[:11] for one in planned}) == 900
    assert all(one.filename.endswith("_0_10") and len(one.filename) == 16 for one in planned)
    counts = {name: sum(name in one.labels() for one in planned if one.split == "test") for name in LLP}
    assert min(counts.values()) >= 3 and 80 <= counts["Speech"] <= 120
    lengths = np.bincount([len(one.labels()) for one in planned], minlength=4)
    assert lengths[0] == 0 and lengths[2] > lengths[1] > lengths[3] > 0
    assert all(event.heard or event.seen for one in planned for event in one.events)


def test_a_scene_does_not_depend_on_how_many_there_are():
    few, many = llp_plan.scenes(TINY), llp_plan.scenes(Settings())
    assert few[:3] == many[:3] and few[3:5] == many[600:602]
    with pytest.raises(UserError, match="at least one video"):
        Settings(llp_val=0)


def test_annotations_say_what_is_planned(tmp_path):
    planned = llp_plan.scenes(TINY)
    llp.write_annotations(planned, tmp_path)
    assert annotations.read(tmp_path, "train").filenames == tuple(one.filename for one in planned[:3])
    truth = annotations.read(tmp_path, "test")
    assert not truth.faults and truth.filenames == tuple(one.filename for one in planned[5:])
    for index, scene in enumerate(planned[5:]):
        assert [LLP[c] for c in np.flatnonzero(truth.weak[index])] == scene.labels()
        for event in scene.events:
            for marked, span in ((truth.audio, event.heard), (truth.visual, event.seen)):
                seconds = np.flatnonzero(marked[index, :, LLP.index(event.name)])
                assert seconds.tolist() == list(range(*span)) if span else not len(seconds)
    union = truth.audio.any(1) | truth.visual.any(1)
    assert np.array_equal(union, truth.weak), "the weak label is what is heard or seen"


def scene(*events):
    return llp_plan.Scene("abcdefghijk_0_10", "test", "office", tuple(llp_plan.Event(*one) for one in events))


def test_a_source_is_in_the_picture_while_it_is_seen():
    with_car, without = (
        np.stack(list(llp.take(scene(("Car", None, span)), 3)[0])[::25]).astype(int) for span in ((2, 6), None)
    )
    changed = np.abs(with_car - without).max((1, 2, 3)) > 60
    assert changed.tolist() == [2 <= second < 6 for second in range(10)]


def test_a_source_is_heard_while_it_sounds():
    rng = np.random.default_rng(0)
    track = llp._track(llp_plan.Event("Vacuum_cleaner", (3, 7), (0, 10)), rng, llp.Classes)
    loud = np.sqrt((track.reshape(10, -1) ** 2).mean(1)) > 0.01
    assert loud.tolist() == [3 <= second < 7 for second in range(10)]


def test_a_part_of_the_set_is_ten_seconds_each_and_the_same_again(tmp_path):
    flags = ["--part", "1", "--parts", "7", "--settings", '{"llp_train": 3, "llp_val": 2, "llp_test": 2}']
    for name in ("a", "b"):
        llp.main([*flags, "--out-folder", str(tmp_path / name)])
    path = tmp_path / "a" / f"{llp_plan.scenes(TINY)[1].filename[:11]}.mp4"
    assert [one.name for one in (tmp_path / "a").iterdir()] == [path.name]
    assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert len(list(media.read_frames(path, (160, 120), 8))) == 80
    assert abs(len(media.read_audio(path)) - 480_000) < 1100


def test_the_weak_label_of_the_set_is_worth_less_than_presence(tmp_path):
    llp.write_annotations(llp_plan.scenes(Settings()), tmp_path)
    truth = annotations.read(tmp_path, "test")
    everywhere = np.repeat(truth.weak[:, None], 10, axis=1)
    scores = metric.f_scores(everywhere, everywhere, truth.audio, truth.visual)["segment"]
    assert 50 < scores["type_av"] < 75
