"""What a cluster needs of the package: a job's own GPUs, scratch on the node, the forecast of a bigger corpus."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from soundstage.errors import UserError
from soundstage.files import atomic, write_json
from soundstage.paper import plan

ROOT = Path(__file__).resolve().parent.parent
SHOW = "import os, sys, time; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); time.sleep(float(sys.argv[1]))"


def own_gpus(folder, gpus, seconds, visible="3,5", **more):
    """Start a command with GPUs of its own on a machine of stand-in devices; it prints what it sees."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": visible, **more}
    environment = {name: value for name, value in environment.items() if value is not None}
    words = ["-m", "soundstage.devices", "--gpus", str(gpus), "--locks", str(folder), "--"]
    command = [sys.executable, *words, sys.executable, "-c", SHOW, str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_jobs_at_one_time_see_different_devices(tmp_path):
    first, second = (own_gpus(tmp_path, 1, 5) for _ in range(2))
    seen = [job.stdout.readline().strip() for job in (first, second)]
    assert sorted(seen) == ["3", "5"]
    third = own_gpus(tmp_path, 1, 0)
    assert "waits for 1 free GPUs of 2" in third.stderr.readline()
    first.kill()  # its lock ends with it
    assert third.communicate(timeout=60)[0].strip() == seen[0]
    for job in (first, second):
        job.kill()
        job.communicate()
    assert own_gpus(tmp_path, 2, 0).communicate(timeout=60)[0].strip() == "3,5"


def test_a_job_without_gpus_sees_none_and_one_that_asks_for_too_many_is_refused(tmp_path):
    assert own_gpus(tmp_path, 0, 0).communicate(timeout=60)[0] == "\n"
    job = own_gpus(tmp_path, 3, 0)
    assert "asks for 3 GPUs, this machine shows 2: 3, 5" in job.communicate(timeout=60)[1] and job.returncode == 2
    assert own_gpus(tmp_path, 1, 0, visible="1", SLURM_JOB_ID="7").communicate(timeout=60)[0].strip() == "1"


def test_snakemake_gives_each_gpu_to_one_job_at_a_time(tmp_path):
    """Four jobs of one GPU each under `--resources gpu=2`, on two stand-in devices."""
    command = f"{sys.executable} -m soundstage.devices --gpus {{resources.gpu}} --locks locks --"
    show = "bash -c 'echo $(date +%s%N) $CUDA_VISIBLE_DEVICES > {output}; sleep 0.7; date +%s%N >> {output}'"
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    input: expand('{n}.txt', n=range(4))\n"
        f'rule use:\n    output: "{{n}}.txt"\n    resources: gpu=1\n    shell: """{command} {show}"""\n'
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}
    words = ["--cores", "4", "--resources", "gpu=2", "--scheduler", "greedy", "--quiet", "all"]
    subprocess.run([sys.executable, "-m", "snakemake", *words], cwd=tmp_path, env=environment, check=True, timeout=60)
    used = {"GPU-a": [], "GPU-b": []}
    for path in tmp_path.glob("?.txt"):
        start, device, end = path.read_text().split()
        used[device].append((int(start), int(end)))
    assert [len(times) for times in used.values()] != [4, 0] and sum(map(len, used.values())) == 4
    for times in used.values():
        assert all(before[1] <= after[0] for before, after in zip(sorted(times), sorted(times)[1:], strict=False))


def rules():
    """Return ({rule: its text in the rule files}, the names of the local ones)."""
    texts = [path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")]
    found = [re.split(r"^rule (\w+):$", text, flags=re.M)[1:] for text in texts]
    local = re.search(r"^localrules:\n((?:    \w+,\n)+)", (ROOT / "Snakefile").read_text(), re.M)
    return {name: text for words in found for name, text in zip(words[::2], words[1::2], strict=True)}, set(
        re.findall(r"\w+", local[1])
    )


def test_every_rule_states_what_it_needs_and_a_second_attempt_gets_more_memory():
    found, local = rules()
    assert len(found) > 30 and {"make_table1", "score_labels", "annotate_llp"} <= local
    for name in set(found) - local:
        for stated in ("^    threads: ", r"^        mem_mb=megabytes\(", "^        disk_mb=", "^        runtime="):
            assert re.search(stated, found[name], re.M), f"{name} lacks {stated}"
    seeing = {name for name, text in found.items() if "{resources.gpu}" in text}
    assert seeing == {name for name, text in found.items() if re.search(r"^        gpu=0,", text, re.M)}
    assert {"train_towers", "score_run", "harvest_scores", "extract_features"} <= seeing


def test_rules_that_can_take_gpus_are_named_where_gpus_are_given():
    seeing = {name for name, text in rules()[0].items() if "{resources.gpu}" in text}
    profile = (ROOT / "workflow/profiles/slurm/profile.yaml").read_text()
    assert {name for name in seeing if not re.search(rf"^  {name}:\n", profile, re.M)} == set()
    named = re.search(r"^- \*\*GPUs\.\*\* (.+?) ask for none", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    assert set(re.findall(r"`(\w+)`", named)) == seeing


def test_rules_of_seconds_are_not_submitted():
    found, local = rules()
    light = {name for name, text in found.items() if 'runtime="10m"' in text}
    assert light <= local and {name for name in found if name.startswith("make_table")} <= local


def test_scratch_holds_what_is_not_whole_and_the_result_is_moved_once(tmp_path, monkeypatch):
    scratch, shared = tmp_path / "scratch", tmp_path / "shared"
    monkeypatch.setenv("SOUNDSTAGE_SCRATCH", str(scratch))
    with atomic(shared / "out.txt") as temporary:
        temporary.write_text("whole")
        assert temporary.parent == scratch and list(shared.iterdir()) == []
    assert (shared / "out.txt").read_text() == "whole" and list(scratch.iterdir()) == []
    with atomic(shared / "folder") as temporary:
        temporary.mkdir()
        (temporary / "a").write_text("1")
    assert (shared / "folder" / "a").read_text() == "1" and list(scratch.iterdir()) == []
    with pytest.raises(KeyError), atomic(shared / "out.txt") as temporary:
        temporary.write_text("half")
        raise KeyError
    assert (shared / "out.txt").read_text() == "whole" and list(scratch.iterdir()) == []
    assert sorted(path.name for path in shared.iterdir()) == ["folder", "out.txt"]


def write_measured_run(folder, films=4, film_seconds=900):
    """Write the benchmark files and the work folder of a run of one hour: 4 films of 900 s."""

    def benchmark(name, seconds, extra=()):
        path = folder / "logs" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {"s": seconds, "max_rss": 100, "cpu_time": 1 if seconds > 1 else "NA", **dict(extra)}
        path.write_text("\t".join(columns) + "\n" + "\t".join(map(str, columns.values())) + "\n")

    for index in range(films):
        film = f"film-{index:03d}"
        write_json(folder / "work/films" / film / "probe.json", {"picture": {"seconds": film_seconds}})
        (folder / "work/shards").mkdir(parents=True, exist_ok=True)
        (folder / "work/shards" / f"{film}-0.tar").write_bytes(bytes(250_000))
        benchmark(f"films/{film}", 36)
        benchmark(f"shards/{film}", 90)
    benchmark("paper/corpus", 36)
    benchmark("films/list", 0.1)
    (folder / "work/pretrain/dubs/0").mkdir(parents=True)
    (folder / "work/pretrain/dubs/0/model.pt").write_bytes(bytes(3000))
    benchmark(
        "pretrain/dubs-0",
        1800,
        {"threads": 2, "resources": "{'mem_mb': 3000, 'gpu': 2, 'tasks': 2, 'tasks_per_gpu': 0}"},
    )


def test_a_forecast_grows_with_the_films_and_not_with_the_trainings(tmp_path):
    write_measured_run(tmp_path)
    hours = plan.measured_hours(tmp_path / "work")
    table = plan.measured(plan.jobs(tmp_path / "logs"), tmp_path / "work")
    twice = plan.forecast(table, 2 / hours).set_index(["stage", "part"])
    assert hours == 1.0
    assert twice.loc[("shards", "films"), "jobs"] == 8
    assert twice.loc[("shards", "films"), "cpu_hours"] == pytest.approx(0.2)
    assert twice.loc[("shards", "films"), "gigabytes"] == pytest.approx(0.002)
    training = twice.loc[("pretrain", "runs")]
    assert training["cpu_hours"] == 2.0 and training["gpu_hours"] == 1.0 and training["jobs"] == 1
    assert training["gigabytes"] == pytest.approx(3e-6)
    assert twice.loc[("paper", "corpus"), "jobs"] == 1
    assert twice.loc[("paper", "corpus"), "cpu_hours"] == pytest.approx(0.02)
    assert plan.jobs(tmp_path / "logs", "cpu_time")["hours"].sum() == pytest.approx(10 / 3600)


def test_a_plan_needs_a_measured_run(tmp_path):
    with pytest.raises(UserError, match="expected films that a run has probed"):
        plan.measured_hours(tmp_path)
    with pytest.raises(UserError, match="expected benchmark files"):
        plan.jobs(tmp_path)


@pytest.mark.parametrize("data", ["", "ave/"])
def test_every_rule_is_in_the_plan_under_its_stage(data):
    named = [re.findall(r'"logs/(.+)\.tsv"', path.read_text()) for path in (ROOT / "workflow/rules").glob("*.smk")]
    named = [name.replace("{film}", "film-001").replace("{data}", data) for name in sum(named, [])]
    assert len(named) > 20
    for job in (re.sub(r"\{\w+\}", "x", name) for name in named):
        part = next(part for part in plan.PARTS if re.fullmatch(part.logs, job))
        assert part.stage == job.split("/")[0]
        assert (part.grows == "jobs") == ("film-001" in job), job
        assert ("features-" in job) == (part.part == "features"), job
