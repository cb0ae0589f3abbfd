"""The workflow from raw films to table 1 on a corpus of two films, and what reruns after a change.

Everything runs in a copy of the project in a temporary folder, so that the tests may edit code.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
TARGET = "results/table1.csv"
ARMS = ["random_init", "monolingual", "monolingual_within_modal", "speech_removed", "dubs", "dubs_within_modal"]


def snakemake(project, *arguments, check=True, config="tests/tiny.yaml"):
    """Run Snakemake in a copy of the project; return what it printed."""
    command = [sys.executable, "-m", "snakemake", *(["--configfile", config] if config else [])]
    command += ["--cores", "2", "--scheduler", "greedy", "--show-failed-logs"]
    done = subprocess.run([*command, *arguments], cwd=project, capture_output=True, text=True, timeout=1500)
    text = done.stdout + done.stderr
    assert not check or done.returncode == 0, text[-6000:]
    return text


def planned(project, *arguments):
    """Return {rule: number of jobs} of a dry run."""
    text = snakemake(project, "--dry-run", *arguments)
    if "Nothing to be done" in text:
        return {}
    table = text.split("Job stats:")[1].split("total")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.M)}


def test_every_run_takes_the_default_profile_and_no_other_contradicts_it(tmp_path):
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--directory", tmp_path, "--cores", "1"]
    found = subprocess.run([*command, "--list-rules"], capture_output=True, text=True, timeout=300)
    assert "profiles/default for setting default" in found.stderr
    default = yaml.safe_load((ROOT / "profiles/default/profile.yaml").read_text())
    for path in ROOT.glob("workflow/profiles/*/profile.yaml"):
        profile = yaml.safe_load(path.read_text())
        assert {key: profile[key] for key in default.keys() & profile.keys()}.items() <= default.items(), path


@pytest.fixture(scope="session")
def copy(tmp_path_factory):
    """Return a copy of what the project's git tree would hold."""
    project = tmp_path_factory.mktemp("project with space") / "soundstage"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "workflow", "envs", "profiles"):
        shutil.copytree(ROOT / name, project / name, ignore=ignore)
    for name in ("Snakefile", "config.yaml", "tests/tiny.yaml", "tests/lssd.yaml", "constraints.txt"):
        (project / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    return project


@pytest.fixture(scope="session")
def built(copy):
    """Return the copy after table 1 has been made on the tiny corpus."""
    snakemake(copy, TARGET)
    return copy


def edit(path, old, new):
    """Replace text in a file and return a function that puts it back."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return lambda: path.write_text(text)


@pytest.fixture
def project(built):
    """Return the built project; edits that a test made through `change` are undone."""
    undo = []

    def change(path, old, new):
        undo.append(edit(built / path, old, new))

    yield built, change
    for put_back in reversed(undo):
        put_back()


def test_table1_has_a_row_per_arm_and_a_source_for_every_cell(built):
    rows = list(csv.DictReader(open(built / TARGET)))
    assert [row["pretraining"] for row in rows] == ARMS
    tidy = list(csv.DictReader(open(built / "results/table1.tidy.csv")))
    assert {row["pretraining"] for row in tidy} == set(ARMS)
    sources = {row["source"] for row in tidy}
    assert all((built / source).is_file() for source in sources)
    assert all(re.fullmatch("[0-9a-f]{64}", row["sha256"]) for row in tidy)


def test_every_stage_left_its_files_log_and_benchmark(built):
    for stage in ("studio", "films", "align", "clips", "nospeech", "shards", "pretrain", "evaluate", "paper"):
        assert list((built / "logs" / stage).glob("*.log")), stage
        assert list((built / "logs" / stage).glob("*.tsv")), stage
    assert (built / "results/table1.md").is_file()
    assert (built / "results/table1.tex").is_file()


def test_a_second_run_does_nothing(built):
    assert planned(built, TARGET) == {}
    assert "Nothing to be done" in snakemake(built, TARGET)


def test_a_file_system_that_keeps_whole_seconds_reruns_nothing(built):
    """What was made within one second has one time then: nothing may rely on the order."""
    paths = [path for folder in ("work", "results", "logs") for path in (built / folder).rglob("*")]
    before = {path: path.stat() for path in paths}
    assert sum(times.st_mtime_ns % 10**9 > 0 for times in before.values()) > 50
    try:
        for path in paths:
            os.utime(path, ns=(before[path].st_atime_ns, before[path].st_mtime_ns // 10**9 * 10**9))
        assert planned(built, TARGET) == {}
    finally:
        for path, times in before.items():
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_one_arms_loss_weight_reruns_only_that_arm(project):
    folder, _ = project
    overlay = folder / "weight.yaml"
    overlay.write_text("pretrain: {runs: {dubs_within_modal: {lambda_audio: 0.31}}}")
    jobs = planned(folder, "--configfile", "tests/tiny.yaml", "weight.yaml", "--", TARGET)
    assert jobs == {"train_towers": 2, "score_run": 2, "make_table1": 1}


def test_a_comment_reruns_nothing(project):
    folder, change = project
    change("src/soundstage/media.py", "import json\n", "# a remark\nimport json\n")
    change("src/soundstage/pretrain/objective.py", '"""', '"""Also: ')
    assert planned(folder, TARGET) == {}


def test_a_shared_module_reruns_the_stages_that_import_it(project):
    folder, change = project
    change("src/soundstage/align/estimate.py", "def main():", "def unused():\n    return 1\n\n\ndef main():")
    jobs = planned(folder, TARGET)
    assert "align_track" in jobs and "select_clips" in jobs and "make_table1" in jobs
    assert "make_film" not in jobs and "extract_tracks" not in jobs and "prepare_benchmark" not in jobs
    assert "remove_speech" not in jobs


def test_the_model_module_reruns_training_and_evaluation_but_no_film(project):
    folder, change = project
    change("src/soundstage/model/towers.py", "import torch\n", "import torch\n\nUNUSED = 1\n")
    jobs = planned(folder, TARGET)
    assert {"train_towers", "score_run", "make_table1"} <= set(jobs)
    assert not {"make_film", "extract_tracks", "align_track", "write_shards", "remove_speech"} & set(jobs)


def test_units_are_used_by_every_stage_that_touches_media(project):
    folder, change = project
    change("src/soundstage/units.py", "AUDIO_HZ = 48000\n", "AUDIO_HZ = 48000\nUNUSED = 1\n")
    jobs = planned(folder, TARGET)
    assert {"make_film", "extract_tracks", "align_track", "write_shards"} <= set(jobs)


def test_one_stage_can_be_rerun_alone(project):
    folder, _ = project
    jobs = planned(folder, "-R", "select_clips", "--until", "select_clips", "--", TARGET)
    assert jobs == {"select_clips": len(list((folder / "work/clips").iterdir()))}
    assert planned(folder, "nospeech") == {}
    assert set(planned(folder, "-R", "remove_speech", "--", "nospeech")) == {"remove_speech", "nospeech"}


def test_an_overlay_reaches_the_jobs(project):
    folder, _ = project
    (folder / "clips.yaml").write_text("clips: {hop_seconds: 3.0}")
    text = snakemake(folder, "--dry-run", "--configfile", "tests/tiny.yaml", "clips.yaml", "--", "clips")
    assert '"hop_seconds":3.0' in text


def test_a_run_waits_for_the_run_that_it_begins_with(project):
    folder, _ = project
    (folder / "next.yaml").write_text(
        "pretrain: {loader: {stream: true}, runs: {next: {views: dubs, start_from: first}, first: {}}}"
    )
    arguments = ("--dry-run", "--printshellcmds", "--configfile", "tests/tiny.yaml", "next.yaml")
    text = snakemake(folder, *arguments, "--", "work/pretrain/next/1/model.pt")
    assert "--start-from" in text and "work/pretrain/first/1/model.pt" in text
    assert re.search(r"train_towers\s+2\n", text) and "--shards" in text


def test_paper_sized_towers_train_on_shards_of_the_studio(built, tmp_path):
    project = shutil.copytree(built, tmp_path / "soundstage")  # its pictures are larger than those of other tests
    out = "work/pretrain/paper_size/0/model.pt"
    snakemake(project, "--configfile", "tests/tiny.yaml", "tests/lssd.yaml", "--", out)
    lines = [json.loads(line) for line in (project / out).with_name("metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2] and 0 < lines[1]["loss"] < 20


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ("clip: {hop_seconds: 1}", ["clip: unknown key", "Did you mean 'clips'?"]),
        ("clips: {hop_secs: 1}", ["clips.hop_secs: unknown key", "'hop_seconds'"]),
        ("clips: {hop_seconds: fast}", ["clips.hop_seconds", '"fast"', "number"]),
        ("clips: {hop_seconds: 4}", ["clips.hop_seconds", "expected at most clips.window_seconds"]),
        ("films: {on_bad_file: ignore}", ["films.on_bad_file", "stop, drop"]),
        ("pretrain: {seeds: []}", ["pretrain.seeds", "at least 1"]),
        ("pretrain: {runs: {dubs: {start_from: dub}}}", ["pretrain.runs.dubs.start_from", "another run of"]),
        ("pretrain: {engine: {piece_clips: 2}}", ["pretrain.engine.piece_clips", "expected 0"]),
        ("corpus: {films: films.tsv}", ["corpus.films and corpus.tracks"]),
        ("corpus: {films: no.tsv, tracks: no.tsv}", ["cannot read the table", "no.tsv"]),
    ],
)
def test_a_wrong_configuration_stops_before_any_job(copy, overlay, words):
    (copy / "wrong.yaml").write_text(overlay)
    text = snakemake(copy, "--configfile", "tests/tiny.yaml", "wrong.yaml", "--", TARGET, check=False)
    assert all(word in text for word in words), text
    assert "Job stats" not in text and "Traceback" not in text
    assert len(text.strip().splitlines()) < 25


def test_the_shipped_configuration_plans_the_whole_table(copy):
    text = snakemake(copy, "--dry-run", "--quiet", "rules", "--", TARGET, config=None)
    assert "make_table1" in text


def test_a_film_that_is_not_in_the_table_is_refused(copy):
    for target in ("work/clips/film-999/clips.parquet", "work/studio/films/film-999"):
        text = snakemake(copy, "--dry-run", target, check=False)
        assert "film-999" in text and "Job stats" not in text


def test_many_films_are_planned_linearly_and_no_command_lists_them(copy):
    """The kernel takes 128 KiB an argument, and the command of a rule is one."""
    counts, longest = {}, {}
    for films in (5, 25):
        many = f"studio: {{films_train: {films}, films_valid: 0, films_test: 0}}"
        (copy / "many.yaml").write_text(f"{many}\npretrain: {{seeds: [0]}}")
        text = snakemake(copy, "--dry-run", "--printshellcmds", "--configfile", "many.yaml", "--", "all", config=None)
        counts[films] = int(re.search(r"^total +(\d+)$", text, re.M).group(1))
        commands = re.findall(r"exec &>.*?(?=\n\n|\n\[|\Z)", text, re.S)
        longest[films] = max(map(len, commands))
    per_film = (counts[25] - counts[5]) / 20
    assert 8 <= per_film <= 13 and longest[25] < longest[5] + 100 and longest[5] > 500


def test_every_rule_says_what_it_does(copy):
    text = snakemake(copy, "--list-rules", "--workflow-profile", "none", config=None)
    rules = [line for line in text.splitlines() if re.match(r"\w+( |$)", line)]
    silent = [line for line in rules if not re.fullmatch(r"\w+ \([A-Z].{15,}\.\)", line)]
    assert len(rules) > 15 and silent == []


def test_the_report_is_made_after_the_table(built):
    snakemake(built, "results/corpus.md", "results/studio.png")
    snakemake(built, "--report", "report.html")
    assert (built / "report.html").stat().st_size > 1_000_000


TABLE8 = """
studio: {llp_train: 24, llp_val: 6, llp_test: 6}
teachers: {shards: 2}
parse:
  annotations: studio
  table8: [towers_dubs, towers_monolingual]
  table8_seeds: [1]
  variants:
    towers_dubs: &small {features: towers_dubs, objective: weak, labels: "", width: 16, heads: 2, epochs: 2}
    towers_monolingual: {<<: *small, features: towers_monolingual}
"""


def test_parsers_read_the_towers_of_their_own_seed(built):
    (built / "tests/table8.yaml").write_text(TABLE8)
    both = ["--configfile", "tests/tiny.yaml", "tests/table8.yaml"]
    assert "train_towers" not in snakemake(built, "--dry-run", "results/table8.csv", *both, config=None)
    snakemake(built, "results/table8.csv", *both, config=None)
    rows = list(csv.DictReader(open(built / "results/table8.csv")))
    assert [(row["parser"], row["towers"], row["labels"]) for row in rows] == [
        ("towers_dubs", "dubs", "weak"),
        ("towers_monolingual", "monolingual", "weak"),
    ]
    assert {row["segment_type_av_n"] for row in rows} == {"1"}
    gains = list(csv.DictReader(open(built / "results/table8.differences.csv")))
    assert {(row["parser"], row["minus"]) for row in gains} == {("towers_dubs", "towers_monolingual")}
    assert len(gains) == 10 and all(row["n"] == "1" for row in gains)
    inputs = json.loads((built / "work/parse/towers_dubs/1/scores.json").read_text())["inputs"]
    assert sum("features/towers_dubs/1/" in path for path in inputs) == 3


def test_shards_and_towers_are_the_same_bytes_when_made_again(built):
    tars = sorted((built / "work/shards").glob("*.tar"))
    models = sorted((built / "work/pretrain/dubs").glob("*/model.pt"))
    before = {path: path.read_bytes() for path in tars + models}
    snakemake(built, "--forcerun", "write_shards", "--until", "write_shards", "--", TARGET)
    snakemake(built, "--force", "--", *(str(path.relative_to(built)) for path in models))
    assert len(tars) == 2 and len(models) == 2
    assert [path.name for path, data in before.items() if path.read_bytes() != data] == []


def test_environments_ask_for_what_the_package_asks_for():
    import tomllib

    import yaml

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = set(project["dependencies"])
    found = set()
    for path in (ROOT / "envs").glob("*.yaml"):
        entries = yaml.safe_load(path.read_text())["dependencies"]
        found |= {item for entry in entries if isinstance(entry, dict) for item in entry["pip"]}
    assert {item for item in found if not item.startswith("--")} == asked


def test_the_schema_the_settings_and_the_configuration_agree():
    import dataclasses
    import importlib

    import yaml

    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    handled = {
        "pretrain": {"runs", "seeds", "run", "model", "ablation", "ablation_seeds", "table2"},
        "evaluate": {"benchmarks", "table3", "table3_shared", "folders", "probes", "timestamps"},
    }
    handled["evaluate"] |= {"timestamps_hop_ms"}
    handled["paper"] = {"corpus"}
    handled["teachers"] = {"videos", "visual", "audio", "prompts", "shards", "labels"}
    handled["parse"] = {"corpus", "annotations", "seeds", "features", "variants", "variant", "table4", "table5"}
    handled["parse"] |= {"table6", "table7", "table8", "table8_seeds", "ave"}
    stages = ["studio", "films", "align", "clips", "nospeech", "shards", "model", "pretrain", "teachers", "parse"]
    for stage in [*stages, "evaluate", "paper"]:
        module = importlib.import_module(f"soundstage.{stage}.settings")
        cls = module.Model if stage == "model" else module.Settings
        extra = handled.get(stage, set())
        fields = json.loads(json.dumps(dataclasses.asdict(cls())))
        fields = {key: value for key, value in fields.items() if key not in extra}
        values = {key: value for key, value in config[stage].items() if key not in extra}
        assert values == fields, stage
        assert set(schema["properties"][stage]["properties"]) - extra == set(fields), stage
    variant = {field.name for field in dataclasses.fields(importlib.import_module("soundstage.parse.settings").Variant)}
    allowed = schema["properties"]["parse"]["properties"]["variants"]["additionalProperties"]["properties"]
    assert set(allowed) == variant


def closed(schema, path="config"):
    """Yield every fault of a schema: an open object, a key without words."""
    if schema.get("type") == "object" and "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield f"{path} is open"
        for key, inner in schema["properties"].items():
            if len(inner.get("description", "")) < 8:
                yield f"{path}.{key} has no description"
            yield from closed(inner, f"{path}.{key}")


def test_the_schema_is_closed_and_describes_every_key():
    import yaml

    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    assert list(closed(schema)) == []
