"""workflow/config/paper.yaml on a tree of empty stand-ins in the official layouts: what is planned, what is missing."""

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from test_evaluate_doctor import hear, lvu

from soundstage.evaluate import doctor
from soundstage.parse.classes import LLP

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "workflow/config/paper.yaml"
IDS = ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc")
LANGUAGES = ("en", "fr", "de")
# Stages that a table may plan jobs of, by their rule files.
FILMS = {"1-films", "2-align", "3-clips", "4-nospeech", "5-shards", "6-pretrain"}
ALLOWED = {
    1: FILMS | {"9-evaluate"},
    2: FILMS | {"9-evaluate"},
    3: FILMS | {"9-evaluate"},
    4: {"7-teachers", "8-parse"},
    5: {"7-teachers", "8-parse"},
    6: {"7-teachers"},
    7: {"7-teachers", "8-parse"},
    8: FILMS | {"7-teachers", "8-parse"},
}


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def films(data):
    rows, tracks = [], []
    for number, split in enumerate(("train", "train", "valid", "test")):
        write(data / f"films/media/{number}.mkv")
        rows.append(f"f{number}\tmedia/{number}.mkv\ten\t{split}")
        tracks += [f"f{number}\t{language}\tmedia/{number}.mkv\t{n}" for n, language in enumerate(LANGUAGES)]
    write(data / "films/films.tsv", "\n".join(["film\tpath\toriginal_language\tsplit", *rows]))
    write(data / "films/tracks.tsv", "\n".join(["film\tlanguage\tpath\tstream", *tracks]))


def clips(data):
    """Write the lists and empty clips of the sets that are no HEAR tasks."""
    write(data / "ucf101/ucfTrainTestlist/classInd.txt", "1 Archery\n")
    for split in (1, 2, 3):
        write(data / f"ucf101/ucfTrainTestlist/trainlist0{split}.txt", "Archery/v_Archery_g02_c01.avi 1\n")
        write(data / f"ucf101/ucfTrainTestlist/testlist0{split}.txt", "Archery/v_Archery_g01_c01.avi\n")
        write(data / f"hmdb51/testTrainMulti_7030_splits/wave_test_split{split}.txt", "#a (1) [b].avi 1 \nd.avi 2 \n")
    for name in ("ucf101/UCF-101/Archery/v_Archery_g01_c01.avi", "ucf101/UCF-101/Archery/v_Archery_g02_c01.avi"):
        write(data / name)
    for name in ("hmdb51/wave/#a (1) [b].avi", "hmdb51/wave/d.avi"):
        write(data / name)
    names = [f"{fold}-10-A-{fold}.wav" for fold in range(1, 6)]
    rows = [f"{name},{name[0]},0,rooster" for name in names]
    write(data / "esc50/meta/esc50.csv", "\n".join(["filename,fold,target,category", *rows]))
    for name in names:
        write(data / "esc50/audio" / name)
    write(data / "vggsound/vggsound.csv", "aaaaaaaaaaa,1,dog,train\nbbbbbbbbbbb,20,cat,test\n")
    for name in ("aaaaaaaaaaa_000001.mp4", "bbbbbbbbbbb_000020.mp4"):
        write(data / "vggsound/video" / name)
    for split, video in (("train", IDS[0]), ("test", IDS[1])):
        write(data / f"kinetics_sounds/my_{split}.txt", f"{video}_1_11,10,tapping\n")
        write(data / f"kinetics_sounds/{split}/{video}_1_11.mp4")


def ave(data):
    lines = [f"Church bell&{video}&good&0&10" for video in IDS]
    write(data / "ave/data/Annotations.txt", "\n".join(lines) + "\n")
    for number, split in enumerate(("train", "val", "test")):
        with h5py.File(data / f"ave/data/{split}_order.h5", "w") as file:
            file["order"] = np.array([number])
    for name in ("labels", "mil_labels"):
        write(data / f"ave/data/{name}.h5", "x")
    for video in IDS:
        write(data / f"ave/AVE/{video}.mp4")


def llp(data):
    for name, video in zip(("train", "val_pd", "test_pd"), IDS, strict=True):
        write(data / f"llp/AVVP_{name}.csv", f"filename\tevent_labels\n{video}_0_10\t{LLP[0]}\n")
        write(data / f"llp/videos/{video}_0_10.mp4")
    for name in ("eval_audio", "eval_visual"):
        write(data / f"llp/AVVP_{name}.csv", "filename\tonset\toffset\tevent_labels\n")
    folders = ["feats/vggish", "feats/res152", "feats/r2plus1d_18", "CLAP/features", "CLIP/features"]
    for folder in [*folders, "CLAP/segment_pseudo_labels", "CLIP/segment_pseudo_labels"]:
        for video in IDS:
            write(data / f"llp/{folder}/{video}.npy")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder in which everything that paper.yaml names is there, every medium empty."""
    folder = tmp_path_factory.mktemp("paper")
    data = folder / "data"
    for make in (films, clips, ave, llp):
        make(data)
    lvu(data / "lvu", "")
    for entry in yaml.safe_load(CONFIG.read_text())["evaluate"]["benchmarks"].values():
        if entry and "/hear/" in entry["folder"]:
            hear(folder / entry["folder"], "scene", ["a"], "")
    for folder_name in yaml.safe_load(CONFIG.read_text())["evaluate"]["timestamps"].values():
        hear(folder / folder_name, "event", [{"label": "a", "start": 0, "end": 500}], "")
    write(data / "weights/demucs/mdx_extra.yaml", "models: [abc]")
    write(data / "weights/demucs/abc-def.th", "x")
    write(data / "weights/r2plus1d_18.pth", "x")
    return folder


def dry_run(tree, target):
    """Return (exit code, what was printed) of a dry run."""
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--directory", tree, "--dry-run"]
    command += ["--configfile", CONFIG, "--quiet", "rules", "--cores", "8", "--", target]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def planned(tree, target):
    """Return {rule: number of jobs} of a dry run."""
    code, text = dry_run(tree, target)
    assert code == 0, text[-3000:]
    table = text.split("Job stats:")[1].split("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.M)}


def stage_of():
    """Return {rule: the rule file that it stands in}."""
    files = (ROOT / "workflow/rules").glob("*.smk")
    return {rule: path.stem for path in files for rule in re.findall(r"^rule (\w+):", path.read_text(), re.M)}


def test_all_eight_tables_are_planned_and_each_plans_its_own_stages(tree):
    stages, every = stage_of(), planned(tree, "all")
    assert {f"make_table{number}" for number in range(1, 9)} <= set(every)
    assert not any(stages.get(rule) == "0-studio" for rule in every)
    assert every["train_towers"] == 6 * 3 + 8 * 3 and every["prepare_benchmark"] == 24
    for number, allowed in ALLOWED.items():
        jobs = planned(tree, f"results/table{number}.csv")
        used = {stages[rule] for rule in jobs if stages[rule] != "10-paper"}
        assert used <= allowed, number
        assert [rule for rule in jobs if stages[rule] == "10-paper"] == [f"make_table{number}"]
        assert all(count <= every[rule] for rule, count in jobs.items())
    assert "score_table3" not in planned(tree, "results/table1.csv")


def test_the_doctor_finds_everything_of_the_tree_but_what_is_empty(tree, monkeypatch):
    monkeypatch.chdir(tree)
    found = doctor.examine(doctor.read(CONFIG))
    faults = {finding.key: finding.missing for finding in found if finding.missing}
    assert "zeros stand for none" in faults.pop("nospeech.separator_sha256")[0]
    every = [fault for lines in faults.values() for fault in lines]
    assert every and all(re.match(r"\d+ of \d+ (files|clips) empty: ", fault) for fault in every)
    assert {finding.key for finding in found if "hear-" in finding.key and finding.files} == set()
    assert {table for finding in found for table in finding.tables} == set(range(1, 9))


def test_event_parsing_needs_no_films_and_what_is_missing_points_to_the_doctor(tmp_path):
    llp(tmp_path / "data")
    assert planned(tmp_path, "results/table6.csv")["make_table6"] == 1
    for target, missing in (
        ("results/table1.csv", r"data/[\w./-]+"),
        ("work/films/films.txt", "data/films/films.tsv"),
        ("work/evaluate/inputs/hear-esc50.npz", "data/hear/tasks/esc50-v2.0.0-full"),
    ):
        code, text = dry_run(tmp_path, target)
        assert code == 1 and f"python -m soundstage.evaluate.doctor --config {CONFIG}" in text, text
        named = re.search(rf"^\s*({missing})(?: and \d+ more)?: not there", text, re.M)
        assert named and not (tmp_path / named[1]).exists(), text


def silent(text):
    """Return the lines of a configuration with a value of which no comment says whose it is.

    A comment counts for its own line; on the line of a key, for all below that key; alone on a line, for the
    keys of its indent that follow until the next blank line.
    """
    parents, groups, found = {}, {}, []  # depth -> whether the key above, or the last comment of its block, says it
    for line in text.splitlines():
        text, depth = line.strip(), len(line) - len(line.lstrip())
        if not text:
            groups = {}
            continue
        parents = {level: word for level, word in parents.items() if level < depth}
        groups = {level: word for level, word in groups.items() if level <= depth}
        word = bool(re.search(r"#.*\b(paper|ours|path|embedded)\b", line))
        if text.startswith("#"):
            groups[depth] = word
            continue
        has_value = re.match(r"[\w-]+:\s*[^#&\s]", text) or text.startswith("-")
        if has_value and not (word or any(parents.values()) or groups.get(depth)):
            found.append(line)
        parents[depth] = word or groups.get(depth, False)
    return found


def test_every_value_says_whose_it_is():
    text = CONFIG.read_text()
    assert silent(text) == []
    for line in ("  batch_clips: 1024", "  crops: five", "    frames: 16", "  corpus: LLP", "  seeds: [0, 1, 2]"):
        assert silent(re.sub(f"(?m)^{re.escape(line)} .*$", line, text)) == [line]
    assert len(silent(re.sub(" *#.*", "", text))) > 150
