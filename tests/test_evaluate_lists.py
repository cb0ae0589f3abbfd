"""Lists and folders that are broken, partial or ambiguous: each is refused, by file and line, or read as meant."""

import json
import re

import pytest

from soundstage.errors import UserError
from soundstage.evaluate import benchmarks, lists

IDS = ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def refused(folder, where, *words, layout=None):
    """Assert that a benchmark is refused with these words, and that the message names the file."""
    with pytest.raises(UserError) as caught:
        benchmarks.load(folder, layout)
    assert str(caught.value.where) == str(where)
    for word in words:
        assert word in caught.value.what


# Which file is the video


def vggsound(folder):
    write(folder / "vggsound.csv", f"{IDS[0]},1,dog,train\n{IDS[1]},2,dog,test\n")
    return [f"{IDS[0]}_000001", f"{IDS[1]}_000002"]


def kinetics(folder):
    write(folder / "my_train.txt", f"{IDS[0]}_1_11,10,tap\n")
    write(folder / "my_test.txt", f"{IDS[1]}_1_11,10,tap\n")
    return [f"{IDS[0]}_1_11", f"{IDS[1]}_1_11"]


def ave(folder):
    write(folder / "data/Annotations.txt", "".join(f"Bark&{name}&good&0&10\n" for name in IDS))
    for split, name in zip(("train", "val", "test"), IDS, strict=True):
        write(folder / f"data/{split}Set.txt", f"Bark&{name}&good&0&10\n")
    return list(IDS)


def lvu(folder):
    for split, name in zip(("train", "val", "test"), IDS, strict=True):
        write(folder / f"lvu_1.0/scene/{split}.csv", f"header\n0 a {name} tt1\n")
    return list(IDS)


@pytest.mark.parametrize("tree", [vggsound, kinetics, ave, lvu])
def test_the_video_is_taken_among_files_of_its_name(tmp_path, tree):
    names = tree(tmp_path)
    for name in names:
        for place in ("audio/{}.wav", "videos/{}.MP4", "videos/{}.jpg", "videos/{}.info.json", "z/{}.vtt"):
            write(tmp_path / place.format(name))
    found = benchmarks.load(tmp_path, tree.__name__.replace("kinetics", "kinetics_sounds"))
    assert [clip.path for clip in found.clips] == [tmp_path / f"videos/{name}.MP4" for name in names]


@pytest.mark.parametrize("tree", [vggsound, kinetics, ave, lvu])
def test_two_videos_of_one_name_are_refused_and_both_are_named(tmp_path, tree):
    name = tree(tmp_path)[0]
    write(tmp_path / f"videos/{name}.mp4")
    write(tmp_path / f"videos/cut/{name}.webm")
    write(tmp_path / "videos/other.mp4")
    write(tmp_path / "videos/other.webm")  # in no list: nobody asks which it is
    with pytest.raises(UserError, match=f"two videos of {name}") as caught:
        benchmarks.load(tmp_path, tree.__name__.replace("kinetics", "kinetics_sounds"))
    assert f"videos/{name}.mp4" in str(caught.value) and f"videos/cut/{name}.webm" in str(caught.value)


def test_only_the_sound_of_a_listed_video_is_a_missing_video(tmp_path):
    name = vggsound(tmp_path)[0]
    write(tmp_path / f"audio/{name}.wav")
    assert benchmarks.load(tmp_path).clips[0].path == tmp_path / f"video/{name}.mp4"


# Lists that break off or hold what they should not


def test_lines_count_from_one_and_empty_ones_count(tmp_path):
    write(tmp_path / "list.txt", "\na\n\nb\n")
    assert lists.lines(tmp_path / "list.txt") == [(2, "a"), (4, "b")]
    with pytest.raises(UserError, match="line 2: expected a number; found 'a'"):
        lists.parsed_lines(tmp_path / "list.txt", int, "a number")
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="expected text in UTF-8"):
        lists.lines(tmp_path / "list.txt")


@pytest.mark.parametrize("line", ["b.avi", "b.avi 3", "b.avi 1x"])
def test_hmdb51_lines_without_a_mark_are_named(tmp_path, line):
    path = tmp_path / "wave_test_split1.txt"
    write(path, f"a.avi 1\n\n{line}\n")
    refused(tmp_path, path, "line 3: expected", "1 = train, 2 = test or 0 = unused", repr(line))


def test_hmdb51_without_a_list_of_a_split_is_refused(tmp_path):
    for split in (1, 2):
        write(tmp_path / f"wave_test_split{split}.txt", "a.avi 1\nb.avi 2\n")
    write(tmp_path / "smile_test_split1.txt", "c.avi 2\nd.avi 1\n")
    refused(tmp_path, tmp_path, "expected the lists smile_test_split2.txt, found none")


def test_a_clip_that_trains_and_tests_in_one_split_is_refused(tmp_path):
    path = tmp_path / "wave_test_split1.txt"
    write(path, "a.avi 1\na.avi 1\nb.avi 2\na.avi 2\n")
    refused(tmp_path, path, "wave/a.avi stands in the training and in the test part of one split")


def ucf101(folder):
    write(folder / "ucfTrainTestlist/classInd.txt", "1 Archery\n2 YoYo\n")
    write(folder / "ucfTrainTestlist/trainlist01.txt", "Archery/v_Archery_g02_c01.avi 1\n")
    write(folder / "ucfTrainTestlist/testlist01.txt", "Archery/v_Archery_g01_c01.avi\n")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("classInd.txt", "1 Archery\nYoYo\n", "line 2: expected a number and a class; found 'YoYo'"),
        ("classInd.txt", "one Archery\n", "line 1: expected a number"),
        ("testlist01.txt", "Archery/v_Archery_g01_c01.avi\nArchery/v_Arch", "line 2: expected <class>/<name>.avi"),
        ("trainlist01.txt", "Golf/v_Golf_g02_c01.avi 1\n", "line 1: expected <class>/<name>.avi"),
    ],
)
def test_ucf101_lines_that_cannot_be_read_are_named(tmp_path, name, text, words):
    ucf101(tmp_path)
    path = tmp_path / "ucfTrainTestlist" / name
    write(path, text)
    refused(tmp_path, path, words)


@pytest.mark.parametrize("row", ["aaaaaaaaaaa,1.0,dog,train", "aaaaaaaaaaa,1,dog", "aaaaaaaaaaa,1,dog,valid"])
def test_vggsound_rows_that_cannot_be_read_are_named(tmp_path, row):
    write(tmp_path / "vggsound.csv", f"bbbbbbbbbbb,2,dog,test\n\n{row}\n")
    found = f"line 3: expected id, start, label, train or test; found {row.split(',')}"
    refused(tmp_path, tmp_path / "vggsound.csv", found)


def test_equal_rows_of_vggsound_are_one(tmp_path):
    rows = f"{IDS[0]},1,dog,train\n{IDS[0]},1,dog,train\n{IDS[1]},2,dog,test\n"
    write(tmp_path / "vggsound.csv", rows)
    assert [clip.name for clip in benchmarks.load(tmp_path).clips] == [f"{IDS[0]}_000001", f"{IDS[1]}_000002"]
    write(tmp_path / "vggsound.csv", rows + f"{IDS[0]},1,cat,train\n")
    refused(tmp_path, tmp_path, f"clips named twice: {IDS[0]}_000001")


def esc50(folder, rows):
    write(folder / "meta/esc50.csv", "\n".join(["filename,fold,target,category", *rows]))
    return folder / "meta/esc50.csv"


@pytest.mark.parametrize("row", ["1-1-A-0.wav,x,0,dog", "1-1-A-0.wav,6,0,dog", "1-1-A-0.wav,1,0.5,dog"])
def test_esc50_rows_that_cannot_be_read_are_named(tmp_path, row):
    path = esc50(tmp_path, ["2-1-A-0.wav,2,0,dog", row])
    expected = "line 3: expected a file, a fold from 1 to 5, a class's number and its name"
    refused(tmp_path, path, f"{expected}; found {row!r}")


def test_esc50_lists_that_break_off_are_refused(tmp_path):
    path = esc50(tmp_path, [f"{fold}-1-A-0.wav,{fold},0,dog" for fold in (1, 2, 4)])
    refused(tmp_path, path, "expected clips of every fold from 1 to 5, found none of 3, 5")
    path = esc50(tmp_path, ["2-1-A-0.wav,2"])
    refused(tmp_path, path, "line 2: expected the columns filename, fold, target, category, found fewer cells")


def hear(folder, splits=("train", "valid", "test"), labels=("a",), vocabulary="idx,label\n0,a\n1,b\n", **about):
    """Write a HEAR task with a clip per split; about: other keys of task_metadata.json, None to leave one out."""
    about = {"embedding_type": "scene", "evaluation": ["top1_acc"], **about}
    write(folder / "task_metadata.json", json.dumps({key: value for key, value in about.items() if value is not None}))
    write(folder / "labelvocabulary.csv", vocabulary)
    for split in splits:
        write(folder / f"{split}.json", json.dumps({f"{split}.wav": labels}))
    return folder


def test_a_bare_hear_label_is_refused(tmp_path):
    refused(hear(tmp_path, labels="ab"), tmp_path / "train.json", "expected a list of labels of train.wav, found 'ab'")


@pytest.mark.parametrize("evaluation", [None, "top1_acc"])
def test_a_hear_task_says_how_it_is_scored(tmp_path, evaluation):
    path = tmp_path / "task_metadata.json"
    refused(hear(tmp_path, evaluation=evaluation), path, "expected the key evaluation, a list of metrics")


@pytest.mark.parametrize(
    ("vocabulary", "words"),
    [
        ("idx,label\n0,a\n1.0,b\n", "line 3: expected a number and a label; found '1.0,b'"),
        ("idx,label\n0,a\n7,b\n", "expected the numbers 0 to 1, each once"),
        ("idx,label\n0,a\n1,a\n", "label 'a' stands there twice"),
    ],
)
def test_hear_vocabularies_that_cannot_be_used_are_named(tmp_path, vocabulary, words):
    refused(hear(tmp_path, vocabulary=vocabulary), tmp_path / "labelvocabulary.csv", words)


@pytest.mark.parametrize("splits", [("train", "valid", "test"), ("fold00", "fold01", "fold02", "fold03")])
def test_a_hear_split_without_clips_is_refused(tmp_path, splits):
    hear(tmp_path, splits)
    write(tmp_path / f"{splits[-1]}.json", "{}")
    refused(tmp_path, tmp_path / f"{splits[-1]}.json", "expected clips and their labels, found none")


def test_a_hear_split_that_the_task_names_must_be_there(tmp_path):
    folds = [f"fold{number:02d}" for number in range(4)]
    hear(tmp_path, folds[:3], version=None)
    assert benchmarks.load(tmp_path).roles.shape == (3, 3)
    about = {"embedding_type": "scene", "evaluation": ["top1_acc"], "splits": folds}
    write(tmp_path / "task_metadata.json", json.dumps(about))
    refused(tmp_path, tmp_path / "fold03.json", "expected the clips of a split that task_metadata.json names")


@pytest.mark.parametrize(
    ("tree", "name", "text", "words"),
    [
        (ave, "data/Annotations.txt", "Bark&aaa&good&0&10\nBark\n", r"line 2: expected category&id&quality"),
        (kinetics, "my_train.txt", "a_1_11,10,tap\na_1_11,tap\n", r"line 2: expected id_start_end,10,class"),
        (lvu, "lvu_1.0/scene/val.csv", "header\n\n0 a\n", r"line 3: expected 4 or more fields"),
    ],
)
def test_lines_of_collections_that_cannot_be_read_are_named(tmp_path, tree, name, text, words):
    tree(tmp_path)
    write(tmp_path / name, text)
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        benchmarks.load(tmp_path, tree.__name__.replace("kinetics", "kinetics_sounds"))
    assert str(caught.value.where) == str(tmp_path / name)


def test_equal_lines_of_kinetics_sounds_are_one(tmp_path):
    kinetics(tmp_path)
    write(tmp_path / "my_train.txt", f"{IDS[0]}_1_11,10,tap\n" * 2)
    assert len(benchmarks.load(tmp_path, "kinetics_sounds").clips) == 2
    write(tmp_path / "my_test.txt", f"{IDS[0]}_1_11,10,tap\n")
    refused(tmp_path, tmp_path / "my_test.txt", f"clip named twice: {IDS[0]}_1_11", layout="kinetics_sounds")
