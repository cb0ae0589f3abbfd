"""What a configuration needs from outside: a whole tree, and one with ten faults, each of which is named."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from soundstage.evaluate import doctor, needs, owners
from soundstage.evaluate.tasks import LVU

ROOT = Path(__file__).resolve().parent.parent
IDS = ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")
SHA256 = hashlib.sha256(b"x").hexdigest()


def write(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def films(tree):
    write(tree / "films.tsv", "film\tpath\toriginal_language\none\tmedia/one.mkv\ten\n")
    tracks = "one\ten\tmedia/one.mkv\t0\none\tfr\tmedia/fr.flac\t0\n"
    write(tree / "tracks.tsv", "film\tlanguage\tpath\tstream\n" + tracks)
    write(tree / "media/one.mkv")
    write(tree / "media/fr.flac")


def benchmarks(tree):
    names = [f"{fold}-10-A-{fold}.wav" for fold in range(1, 6)]
    rows = [f"{name},{name[0]},{number % 2},c{number % 2}" for number, name in enumerate(names)]
    write(tree / "esc/meta/esc50.csv", "\n".join(["filename,fold,target,category", *rows]))
    for name in names:
        write(tree / "esc/audio" / name)
    write(tree / "ucf/ucfTrainTestlist/classInd.txt", "1 Archery\n")
    train = [f"Archery/v_Archery_g0{group}_c01.avi 1" for group in "23"]
    write(tree / "ucf/ucfTrainTestlist/trainlist01.txt", "\n".join(train))
    write(tree / "ucf/ucfTrainTestlist/testlist01.txt", "Archery/v_Archery_g01_c01.avi\n")
    for group in "123":
        write(tree / f"ucf/UCF-101/Archery/v_Archery_g0{group}_c01.avi")
    write(tree / "hmdb/lists/wave_test_split1.txt", "a [b] c.avi 2\nd.avi 1\ne.avi 1\n")
    for name in ("a [b] c.avi", "d.avi", "e.avi"):
        write(tree / "hmdb/wave" / name)
    rows = [f"{letter * 11},1,dog,train" for letter in "abc"]
    write(tree / "vgg/vggsound.csv", "\n".join([*rows, "ddddddddddd,1,cat,test", "eeeeeeeeeee,20,cat,train"]))
    for name in (*(f"{letter * 11}_000001.mp4" for letter in "abcd"), "eeeeeeeeeee_000020.mp4"):
        write(tree / "vgg/video" / name)
    hear(tree / "hear", "scene", ["a"])


def hear(folder, embedding, labels, media="x"):
    for split in ("train", "valid", "test"):
        write(folder / f"{split}.json", json.dumps({f"{split}.wav": labels}))
        write(folder / f"48000/{split}/{split}.wav", media)
    write(folder / "labelvocabulary.csv", "idx,label\n0,a\n")
    metric = "top1_acc" if embedding == "scene" else "event_onset_200ms_fms"
    write(folder / "task_metadata.json", json.dumps({"embedding_type": embedding, "evaluation": [metric]}))


def lvu(folder, media="x"):
    for task in LVU:
        line = {"like_ratio": "3 1 {} tt1", "view_count": "100 {} tt1"}.get(task, "0 a b {} tt1")
        for split, video in zip(("train", "val", "test"), IDS, strict=True):
            write(folder / f"lvu_1.0/{task}/{split}.csv", f"a header\n{line.format(video)}\n")
    for video in IDS:
        write(folder / f"videos/{video}.mp4", media)


def llp(tree):
    for name, video in zip(("train", "val_pd", "test_pd"), IDS, strict=True):
        write(tree / f"llp/AVVP_{name}.csv", f"filename\tevent_labels\n{video}_0_10\tSpeech\n")
    for name in ("eval_audio", "eval_visual"):
        write(tree / f"llp/AVVP_{name}.csv", "filename\tonset\toffset\tevent_labels\n")
    for video in IDS:
        write(tree / f"llp/videos/{video}_0_10.mp4")
        for stream in ("audio", "visual_2d", "visual_3d", "labels"):
            write(tree / f"llp/{stream}/{video}.npy")


def overlay(tree, **more):
    """Write overlay.yaml, which names everything in the tree, with sections replaced or added."""
    named = {
        "corpus": {"films": "films.tsv", "tracks": "tracks.tsv"},
        "nospeech": {"separator": "separator", "name": "bag", "separator_sha256": [SHA256]},
        "teachers": {"videos": "llp/videos", "labels": {"given": {"audio": "llp/labels", "visual": "llp/labels"}}},
        "parse": {
            "annotations": "llp",
            "features": {"standard": {stream: f"llp/{stream}" for stream in ("audio", "visual_2d", "visual_3d")}},
            "variants": {"valor": {"labels": "given"}},
        },
        "evaluate": {
            "benchmarks": {name: {"group": "audiovisual", "folder": name} for name in ("ucf", "hmdb", "vgg")}
            | {name: {"group": "auditory", "folder": name} for name in ("esc", "hear")},
            "timestamps": {"stamps": "stamps"},
        },
    }
    write(tree / "overlay.yaml", yaml.safe_dump(doctor.merged(named, more)))


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder with one of each thing that a configuration can name, all complete; overlay.yaml names them."""
    monkeypatch.chdir(tmp_path)
    for make in (films, benchmarks, llp, overlay):
        make(tmp_path)
    hear(tmp_path / "stamps", "event", [{"label": "a", "start": 0, "end": 500}])
    write(tmp_path / "separator/bag.yaml", "models: [abc, def]")
    for name in ("abc-1", "def-2"):
        write(tmp_path / f"separator/{name}.th")
    return tmp_path


def diagnosed(tree, monkeypatch, capsys, *flags, config="overlay.yaml"):
    """Return (exit code, what was printed)."""
    monkeypatch.setattr("sys.argv", ["doctor", "--config", str(tree / config), *flags])
    return doctor.main(), capsys.readouterr().out


def lost(tree):
    """Return the tables that the doctor says cannot be built."""
    found = doctor.examine(doctor.read(tree / "overlay.yaml"))
    return {table for finding in found if finding.missing for table in finding.tables}


def plans(tree, table):
    """Return whether Snakemake plans a table, and whether it names the doctor."""
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--directory", tree, "--dry-run"]
    command += ["--configfile", tree / "overlay.yaml", "--cores", "1", "--quiet", "rules"]
    done = subprocess.run([*map(str, command), "--", f"results/table{table}.csv"], capture_output=True, text=True)
    assert done.returncode == 0 or "WorkflowError" in done.stdout, done.stdout
    return done.returncode == 0, "soundstage.evaluate.doctor --config" in done.stdout


def test_a_complete_tree_has_no_fault(tree, monkeypatch, capsys):
    code, text = diagnosed(tree, monkeypatch, capsys)
    assert code == 0 and "MISSING" not in text and "WARNING" not in text and ", 0 not complete\n" in text
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
    (tree / "separator/abc-1.th").unlink()
    code, text = diagnosed(tree, monkeypatch, capsys)
    assert code == 1 and text.count("\n  ") > 10
    for fault in (
        "1 of 2 files missing: media/one.mkv",
        "1 of 2 files empty: media/fr.flac",
        "1 of 5 clips missing (dropped by prepare): esc/audio/3-10-A-3.wav",
        "MISSING evaluate.benchmarks.ucf.folder: ucf\n          the folder is not there",
        "1 of 3 clips empty (dropped by prepare): hmdb/wave/a [b] c.avi",
        "expected id, start, label",
        "hear/labelvocabulary.csv",
        "1 of 5 files missing: llp/AVVP_eval_audio.csv",
        "1 of 3 files missing (left out by the workflow): llp/visual_2d/bbbbbbbbbbb.npy\n"
        "          no file for any video of the split val",
        "the bag 'bag' names weights that are absent: ['abc']",
    ):
        assert fault in text, fault
    assert "cannot be built: table 1, table 2, table 3, table 4, table 5, table 6, table 8\n" in text
    code, text = diagnosed(tree, monkeypatch, capsys, "--tables", "4")
    assert code == 1 and "evaluate.benchmarks" not in text and "cannot be built: table 4" in text


@pytest.mark.parametrize(
    ("gone", "tables", "planned"),
    [
        ("esc", {1, 2, 3}, {2: False, 3: False, 4: True}),  # table 3 reads table 1's scores: evaluate.table3_shared
        ("separator/def-2.th", {1, 2, 3, 8}, {2: False, 8: False, 6: True}),
        ("llp/labels", {4, 5, 8}, {4: False, 6: True}),
        ("llp/videos", {4, 5, 6, 8}, {6: False, 7: True}),
        ("media/one.mkv", {1, 2, 3, 8}, {1: False, 5: True}),
    ],
)
def test_the_doctor_and_snakemake_refuse_the_same_tables(tree, gone, tables, planned):
    assert lost(tree) == set()
    path = tree / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert lost(tree) == tables
    assert {table: plans(tree, table) for table in planned} == {t: (done, not done) for t, done in planned.items()}


def test_a_table_that_is_not_configured_is_a_fault_only_where_it_is_asked_for(tree, monkeypatch, capsys):
    overlay(tree, parse={"annotations": ""})
    assert diagnosed(tree, monkeypatch, capsys)[0] == 0 and not plans(tree, 4)[0]
    code, text = diagnosed(tree, monkeypatch, capsys, "--tables", "4", "7")
    assert code == 1 and text.endswith("cannot be built: table 4\n") and "MISSING parse.annotations" in text
    overlay(tree, parse={"table5": []})
    assert diagnosed(tree, monkeypatch, capsys)[0] == 0
    assert "MISSING parse.table5" in diagnosed(tree, monkeypatch, capsys, "--tables", "5")[1]


def test_labels_of_test_videos_are_needed_by_table_6_alone(tree):
    overlay(tree, parse={"table6": ["given"]})
    assert lost(tree) == set()
    (tree / "llp/labels/ccccccccccc.npy").unlink()
    assert lost(tree) == {6}
    (tree / "llp/labels/aaaaaaaaaaa.npy").unlink()
    assert lost(tree) == {4, 5, 6, 8}


def test_rows_of_towers_that_there_are_not_and_remixes_from_shards_are_faults(tree):
    overlay(tree, pretrain={"loader": {"stream": True}})
    assert lost(tree) == {2} and not plans(tree, 2)[0]
    overlay(tree, pretrain={"ablation": {"remix": None}, "runs": {"dubs": None}, "table2": ["monolingual"]})
    assert lost(tree) == {8} and not plans(tree, 8)[0]


def test_a_separator_is_judged_as_nospeech_judges_it(tree, monkeypatch, capsys):
    for change, fault in (
        ({"separator_sha256": ["0" * 64]}, "zeros stand for none"),
        ({"separator_sha256": ["1" * 64]}, f"found {SHA256}; it was not opened (separator/def-2.th)"),
        ({"name": "other"}, "no model 'other' in this folder"),
        ({"separator": "hub", "separator_sha256": ["0" * 64]}, "zeros stand for none"),
    ):
        overlay(tree, nospeech=change)
        code, text = diagnosed(tree, monkeypatch, capsys, "--tables", "1")
        assert code == 1 and fault in text and "cannot be built: table 1" in text, text


def test_lvu_lacks_the_tasks_that_are_not_there(tree, monkeypatch, capsys):
    lvu(tree / "lvu")
    overlay(tree, evaluate={"table3": {"lvu": {"group": "audiovisual", "folder": "lvu", "layout": "lvu"}}})
    assert diagnosed(tree, monkeypatch, capsys, "--tables", "3")[0] == 0
    for task in LVU[:2]:
        shutil.rmtree(tree / "lvu/lvu_1.0" / task)
    code, text = diagnosed(tree, monkeypatch, capsys, "--tables", "3")
    assert code == 1 and "tasks missing: relationship, way_speaking" in text
    assert diagnosed(tree, monkeypatch, capsys, "--tables", "1")[0] == 0


def test_a_task_of_time_stamps_is_shown_and_costs_no_table(tree, monkeypatch, capsys):
    (tree / "stamps/48000/test/test.wav").unlink()
    code, text = diagnosed(tree, monkeypatch, capsys)
    assert code == 0 and "1 of 3 files missing: stamps/48000/test/test.wav" in text and "1 not complete\n" in text
    shutil.rmtree(tree / "stamps")
    code, text = diagnosed(tree, monkeypatch, capsys)
    assert code == 0 and "MISSING evaluate.timestamps.stamps: stamps\n" in text and "needed by: no table" in text
    hear(tree / "stamps", "scene", ["a"])
    code, text = diagnosed(tree, monkeypatch, capsys)
    assert code == 0 and "MISSING evaluate.timestamps.stamps" in text and "expected a task of time stamps" in text


def test_clips_and_videos_that_the_workflow_leaves_out_are_a_warning(tree, monkeypatch, capsys):
    write(tree / "vgg/video/aaaaaaaaaaa_000001.mp4", "")
    (tree / "vgg/video/bbbbbbbbbbb_000001.mp4").unlink()
    write(tree / "llp/AVVP_train.csv", "filename\tevent_labels\naaaaaaaaaaa_0_10\tSpeech\nddddddddddd_0_10\tSpeech\n")
    code, text = diagnosed(tree, monkeypatch, capsys)
    assert code == 0 and ", 0 not complete, 7 warnings\n" in text and "MISSING" not in text
    assert "WARNING evaluate.benchmarks.vgg.folder: vgg (3 files, 0.0 MB)" in text
    assert "1 of 5 clips missing (dropped by prepare): vgg/video/bbbbbbbbbbb_000001.mp4" in text
    assert "1 of 5 clips empty (dropped by prepare): vgg/video/aaaaaaaaaaa_000001.mp4" in text
    assert "1 of 4 files missing (left out by the workflow): llp/audio/ddddddddddd.npy" in text


@pytest.mark.parametrize(
    ("gone", "fault"),
    [
        ("d", "rotation 0 has no test clip, 1 clips were dropped"),
        ("de", "1 of 2 classes without any clip: cat"),
        ("bce", "rotation 0 has no validation clip, 3 clips were dropped"),  # one recording is left to train on
    ],
)
def test_a_split_or_a_class_that_empties_is_a_fault(tree, monkeypatch, capsys, gone, fault):
    for letter in gone:
        next((tree / "vgg/video").glob(f"{letter}*")).unlink()
    code, text = diagnosed(tree, monkeypatch, capsys, "--tables", "2")
    assert code == 1 and "MISSING evaluate.benchmarks.vgg.folder" in text and fault in text


def test_what_is_missing_of_paper_yaml_has_a_count_a_size_and_an_owner(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, text = diagnosed(ROOT, monkeypatch, capsys, config="workflow/config/paper.yaml")
    assert code == 1 and text.count("nothing there") == 0 and "\nto be had: about " in text
    for block in text.split("MISSING ")[1:]:
        sized = re.search(r"all of it: (about )?[\d,]+ ", block)
        assert sized or block.startswith(("corpus.", "nospeech.separator_sha256")), block
        assert "          from: " in block or block.startswith("nospeech.separator_sha256"), block
    for line in ("51,185 clips, about 37 GB", "11,849 files, about 7.8 GB", "13,320 clips, about 6.5 GB"):
        assert line in text
    lines = yaml.safe_load((ROOT / "workflow/config/paper.yaml").read_text())["evaluate"]
    folders = [entry["folder"] for entry in lines["benchmarks"].values() if entry] + list(lines["timestamps"].values())
    assert all(owners.hear(Path(folder).name).gigabytes for folder in folders if "/hear/" in folder)


def test_what_is_downloaded_and_what_is_in_the_package_is_no_fault(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, text = diagnosed(ROOT, monkeypatch, capsys, config="config.yaml")
    assert code == 0 and "MISSING" not in text and ", 0 not complete\n" in text
    whole = doctor.read(ROOT / "config.yaml")
    assert needs.configured(whole) == needs.TABLES
