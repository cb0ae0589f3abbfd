"""The studio's AVE-like set: its layout, what is planned, what is seen and heard."""

import h5py
import numpy as np
import pytest

from soundstage import media
from soundstage.errors import UserError
from soundstage.parse import ave as ave_scores
from soundstage.parse.classes import AVE
from soundstage.studio import ave, ave_classes, ave_plan, llp, llp_plan, motion
from soundstage.studio.settings import Settings
from soundstage.units import rng_of

TINY = Settings(ave_train=28, ave_val=2, ave_test=2)


def test_shares_and_lengths_are_near_those_of_ave():
    planned = ave_plan.scenes(Settings())
    assert len({one.filename for one in planned}) == 900 and all(len(one.filename) == 11 for one in planned)
    spans = np.array([ave_plan.span_of(one) for one in planned])
    lengths = spans[:, 1] - spans[:, 0]
    assert 0.15 < 1 - lengths.mean() / 10 < 0.2 and 0.3 < (lengths < 10).mean() < 0.4
    assert lengths.min() >= ave_plan.SHORTEST


def test_the_files_are_in_the_official_layout(tmp_path):
    planned = ave_plan.scenes(TINY)
    ave.write_annotations(planned, tmp_path)
    for split, count in (("train", 28), ("val", 2), ("test", 2)):
        found = ave_scores.read(tmp_path / "Annotations.txt", ave_scores.read_order(tmp_path / f"{split}_order.h5"))
        assert len(found.lines) == count and found.classes == (*AVE, "background") and not found.faults
    with h5py.File(tmp_path / "labels.h5") as dense, h5py.File(tmp_path / "mil_labels.h5") as weak:
        assert dense["avadataset"].shape == (32, 10, 29)
        assert np.array_equal(dense["avadataset"][30:].argmax(2), found.truth)
        assert np.array_equal(weak["avadataset"][30:].argmax(1), found.labels)
    ave.write_annotations(planned, tmp_path / "again")
    for path in tmp_path.glob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize("name", AVE)
def test_every_class_sounds_and_moves(name):
    rng = rng_of(0, "test", name)
    heard = ave_classes.event(name, 2.0, rng)
    assert heard.shape == (96000,) and heard.dtype == np.float32 and 0.01 < np.abs(heard).max() < 0.951
    actor = ave_classes.actor_of(name, motion.envelope_of(heard, 50, 25), 25, llp.SIZE, rng, x=0.0)
    blank = np.zeros((2, 120, 160, 3), np.uint8)
    for canvas, frame in zip(blank, (0, 30), strict=True):
        actor.draw(llp.look.Pen(canvas, 80.0, 80, 110), actor.style, actor.cues[frame])
    assert (blank.max(3) > 0).mean() > 0.02 and (blank[0] != blank[1]).any()


def test_speech_is_of_a_man_or_a_woman():
    for name, adult in ave_classes.ADULTS.items():
        actor = ave_classes.actor_of(name, np.ones(2), 25, llp.SIZE, rng_of(0, name))
        assert actor.style.person.kind == adult


def test_the_event_is_heard_and_seen_in_its_span_alone():
    event = llp_plan.Event("Church bell", (0, 10), (2, 6))
    planned = [
        llp_plan.Scene("abcdefghijk", "test", "office", (llp_plan.Event("Church bell", (0, 10), span),))
        for span in (event.seen, None)
    ]
    with_bell, without = (np.stack(list(ave.take(one, 3)[0])[::25]).astype(int) for one in planned)
    changed = np.abs(with_bell - without).max((1, 2, 3)) > 60
    assert changed.tolist() == [2 <= second < 6 for second in range(10)]
    assert ave_plan.span_of(planned[0]) == (2, 6)


def test_a_part_is_ten_seconds_each(tmp_path):
    flags = ["--part", "3", "--parts", "31", "--settings", '{"ave_train": 28, "ave_val": 2, "ave_test": 2}']
    ave.main([*flags, "--out-folder", str(tmp_path)])
    path = tmp_path / f"{ave_plan.scenes(TINY)[3].filename}.mp4"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert len(list(media.read_frames(path, llp.SIZE, 8))) == 80
    assert abs(len(media.read_audio(path)) - 480_000) < 1100
    with pytest.raises(UserError, match="28 training videos"):
        Settings(ave_train=5)
