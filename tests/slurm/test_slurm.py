"""The workflow through sbatch on a real SLURM of one machine: `make test-slurm`, as root.

One small table 1 to its end, a training cancelled and continued with the same weights, a job that takes
more memory than it asked for and its second attempt.
"""

import csv
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cluster
import pytest

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = [str(ROOT / "tests" / "tiny.yaml"), str(ROOT / "tests" / "slurm" / "overlay.yaml")]
# what a person sets for a busy cluster is shortened for a machine with three jobs
QUICK = ["--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10", "--jobs", "3", "--slurm-no-account"]
GROUP = "shards_prepare_inputs_write_shards"
TRAINED = "work/pretrain/monolingual/0"
pytestmark = pytest.mark.slurm


@pytest.fixture(scope="session")
def slurm():
    """A running SLURM, stopped at the end also when the tests are interrupted or terminated."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it installs and starts the daemons of SLURM")

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        cluster.start()
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        cluster.stop()


@pytest.fixture(scope="session")
def folder(slurm, tmp_path_factory):
    """The folder of the run."""
    return tmp_path_factory.mktemp("run")


def snakemake(folder, *arguments, snakefile=ROOT / "Snakefile", profile="slurm", check=True):
    """Run Snakemake to its end; return what it printed."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--profile", str(ROOT / "workflow" / "profiles" / profile), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=560)
    text = done.stdout + done.stderr
    assert not check or done.returncode == 0, text[-6000:]
    return text


def requests():
    """Return {rule or group: what its latest job asked SLURM for: cpu, mem, time, gpu} of all jobs so far."""
    found = {}
    shown = subprocess.run(["scontrol", "show", "jobs", "-o"], capture_output=True, text=True, check=True).stdout
    lines = [dict(part.split("=", 1) for part in line.split() if "=" in part) for line in shown.splitlines()]
    for fields in sorted(lines, key=lambda fields: int(fields["JobId"])):
        rule = re.match(r"rule_([a-z_0-9]+?)(_wildcards_|$)", fields.get("Comment", ""))
        asked = dict(part.split("=", 1) for part in fields["TRES"].split(","))
        gpus = re.search(r"gpu(?::[a-z]\w*)?:(\d+)", fields.get("TresPerJob", ""))
        if rule:
            figures = {"cpu": asked["cpu"], "mem": asked["mem"], "time": fields["TimeLimit"]}
            found[rule[1]] = {**figures, "gpu": gpus[1] if gpus else "0"}
    return found


def test_table1_is_made_through_sbatch(folder, capsys):
    text = snakemake(folder, *QUICK, "--configfile", *OVERLAYS, "--", "results/table1.csv")
    rows = list(csv.DictReader(open(folder / "results/table1.csv")))
    assert [row["pretraining"] for row in rows] == ["random_init", "monolingual", "speech_removed"]
    asked = requests()
    with capsys.disabled():
        print("\n".join(["", *(f"{rule:20} {request}" for rule, request in sorted(asked.items()))]))
    assert asked["make_film"] == {"cpu": "1", "mem": "1000M", "time": "00:15:00", "gpu": "0"}
    assert asked["train_towers"] == {"cpu": "1", "mem": "3000M", "time": "12:00:00", "gpu": "0"}
    assert asked[GROUP] == {"cpu": "1", "mem": "2000M", "time": "06:00:00", "gpu": "0"}  # one after another
    submitted = set(re.findall(r"^rule (\w+):", text, re.M))
    local = set(re.findall(r"^localrule (\w+):", text, re.M))
    assert submitted == set(asked) - {GROUP} and local == {"list_films", "make_table1"}


def test_a_cancelled_training_goes_on_and_ends_with_the_same_weights(folder):
    """Cancelled once by scancel while it trains; the profile's second attempt goes on from its checkpoint."""
    long = folder / "long.yaml"
    long.write_text("pretrain: {steps: 60, checkpoint_steps: 2}")
    words = ["--configfile", *OVERLAYS, str(long), "--set-resources", "train_towers:gpu=1"]
    target = f"{TRAINED}/model.pt"
    checkpoint = folder / TRAINED / "checkpoint" / "checkpoint.pt"
    canceller = threading.Thread(target=cancel_when, args=(checkpoint,), daemon=True)
    canceller.start()
    text = snakemake(folder, *QUICK, *words, "--", target)
    canceller.join()
    assert "CANCELLED" in text and requests()["train_towers"]["gpu"] == "1"
    logs = list((folder / ".snakemake" / "slurm_logs" / "rule_train_towers").rglob("*.log"))
    assert any("stopped by a signal, saved after step" in path.read_text() for path in logs)
    assert "goes on from the checkpoint after step" in (folder / "logs/pretrain/monolingual-0.log").read_text()
    stopped = (folder / target).read_bytes()
    snakemake(folder, "--cores", "1", *words[:-2], "--force", "--", target, profile="local")
    assert "goes on from" not in (folder / "logs/pretrain/monolingual-0.log").read_text()
    assert (folder / target).read_bytes() == stopped


def cancel_when(path):
    """Cancel every running job as soon as a file exists."""
    for _ in range(3000):
        if path.exists():
            break
        time.sleep(0.1)
    subprocess.run(["scancel", "--user=root", "--state=RUNNING"], check=True)


def test_a_job_that_takes_too_much_memory_gets_more_at_its_second_attempt(folder):
    text = snakemake(folder, *QUICK, snakefile=ROOT / "tests" / "slurm" / "memory.smk")
    assert (folder / "memory.txt").read_text() == "600000000\n"
    assert "mem_mb=700" in text and "mem_mb=1400" in text
    assert requests()["take_memory"]["mem"] == "1400M"
