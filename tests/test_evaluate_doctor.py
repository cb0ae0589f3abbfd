"""What a configuration needs from outside: a whole tree, and one with ten faults, each of which is named."""

import json
import shutil

import pytest
import yaml

from soundstage.evaluate import doctor

IDS = ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")


def write(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder with one of each thing that a configuration can name, all complete; overlay.yaml names them."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "films.tsv", "film\tpath\toriginal_language\none\tmedia/one.mkv\ten\n")
    tracks = "one\ten\tmedia/one.mkv\t0\none\tfr\tmedia/fr.flac\t0\n"
    write(tmp_path / "tracks.tsv", "film\tlanguage\tpath\tstream\n" + tracks)
    write(tmp_path / "media/one.mkv")
    write(tmp_path / "media/fr.flac")
    names = [f"{fold}-10-A-{fold}.wav" for fold in range(1, 6)]
    rows = [f"{name},{name[0]},{number % 2},c{number % 2}" for number, name in enumerate(names)]
    write(tmp_path / "esc/meta/esc50.csv", "\n".join(["filename,fold,target,category", *rows]))
    for name in names:
        write(tmp_path / "esc/audio" / name)
    write(tmp_path / "ucf/ucfTrainTestlist/classInd.txt", "1 Archery\n")
    write(tmp_path / "ucf/ucfTrainTestlist/trainlist01.txt", "Archery/v_Archery_g02_c01.avi 1\n")
    write(tmp_path / "ucf/ucfTrainTestlist/testlist01.txt", "Archery/v_Archery_g01_c01.avi\n")
    for group in "12":
        write(tmp_path / f"ucf/UCF-101/Archery/v_Archery_g0{group}_c01.avi")
    write(tmp_path / "hmdb/lists/wave_test_split1.txt", "a [b] c.avi 1\nd.avi 2\n")
    for name in ("a [b] c.avi", "d.avi"):
        write(tmp_path / "hmdb/wave" / name)
    write(tmp_path / "vgg/vggsound.csv", "aaaaaaaaaaa,1,dog,train\nbbbbbbbbbbb,20,cat,test\n")
    for name in ("aaaaaaaaaaa_000001.mp4", "bbbbbbbbbbb_000020.mp4"):
        write(tmp_path / "vgg/video" / name)
    for split in ("train", "valid", "test"):
        write(tmp_path / f"hear/{split}.json", json.dumps({f"{split}.wav": ["a"]}))
        write(tmp_path / f"hear/48000/{split}/{split}.wav")
    write(tmp_path / "hear/labelvocabulary.csv", "idx,label\n0,a\n")
    write(tmp_path / "hear/task_metadata.json", json.dumps({"embedding_type": "scene", "evaluation": ["top1_acc"]}))
    for name, video in zip(("train", "val_pd", "test_pd"), IDS, strict=True):
        write(tmp_path / f"llp/AVVP_{name}.csv", f"filename\tevent_labels\n{video}_0_10\tSpeech\n")
    for name in ("eval_audio", "eval_visual"):
        write(tmp_path / f"llp/AVVP_{name}.csv", "filename\tonset\toffset\tevent_labels\n")
    for stream in ("audio", "visual_2d", "visual_3d", "labels"):
        for video in IDS:
            write(tmp_path / f"llp/{stream}/{video}.npy")
    write(tmp_path / "separator/abc-def.th")
    overlay = {
        "corpus": {"films": "films.tsv", "tracks": "tracks.tsv"},
        "nospeech": {"separator": "separator", "name": "abc", "separator_sha256": ["0" * 64]},
        "teachers": {"labels": {"given": {"audio": "llp/labels", "visual": "llp/labels"}}},
        "parse": {
            "annotations": "llp",
            "features": {"standard": {stream: f"llp/{stream}" for stream in ("audio", "visual_2d", "visual_3d")}},
        },
        "evaluate": {"benchmarks": {name: {"group": "audiovisual", "folder": name} for name in ("ucf", "hmdb", "vgg")}},
    }
    overlay["evaluate"]["benchmarks"] |= {name: {"group": "auditory", "folder": name} for name in ("esc", "hear")}
    write(tmp_path / "overlay.yaml", yaml.safe_dump(overlay))
    return tmp_path


def diagnosed(tree, monkeypatch, capsys, *flags):
    """Return (exit code, what was printed)."""
    monkeypatch.setattr("sys.argv", ["doctor", "--config", str(tree / "overlay.yaml"), *flags])
    return doctor.main(), capsys.readouterr().out


def test_a_complete_tree_has_no_fault(tree, monkeypatch, capsys):
    code, text = diagnosed(tree, monkeypatch, capsys)
    assert code == 0 and "MISSING" not in text and ", 0 not complete\n" in text
    assert "evaluate.benchmarks.esc.folder: esc (5 files, 0.0 MB)" in text


def test_ten_planted_faults_are_all_named(tree, monkeypatch, capsys):
    (tree / "media/one.mkv").unlink()
    write(tree / "media/fr.flac", "")
    (tree / "esc/audio/3-10-A-3.wav").unlink()
    shutil.rmtree(tree / "ucf")
    write(tree / "hmdb/wave/a [b] c.avi", "")
    write(tree / "vgg/vggsound.csv", "aaaaaaaaaaa,1,dog\n")
    (tree / "hear/labelvocabulary.csv").unlink()
    (tree / "llp/AVVP_eval_audio.csv").unlink()
    (tree / "llp/visual_2d/bbbbbbbbbbb.npy").unlink()
    (tree / "separator/abc-def.th").unlink()
    code, text = diagnosed(tree, monkeypatch, capsys)
    assert code == 1 and text.count("\n  ") > 10
    for fault in (
        "1 of 2 files missing: media/one.mkv",
        "1 of 2 files empty: media/fr.flac",
        "1 of 5 files missing: esc/audio/3-10-A-3.wav",
        "MISSING evaluate.benchmarks.ucf.folder: ucf (nothing there)\n          the folder is not there",
        "1 of 2 files empty: hmdb/wave/a [b] c.avi",
        "expected id, start, label, train or test; found ['aaaaaaaaaaa', '1', 'dog']",
        "expected a list of clips, found nothing",
        "1 of 5 files missing: llp/AVVP_eval_audio.csv",
        "1 of 3 files missing: llp/visual_2d/bbbbbbbbbbb.npy",
        "no file *.th in the folder",
    ):
        assert fault in text
    assert "cannot be built: table 1, table 2, table 3, table 4, table 5, table 6" in text
    code, text = diagnosed(tree, monkeypatch, capsys, "--tables", "4")
    assert code == 1 and "evaluate.benchmarks" not in text and "cannot be built: table 4" in text
