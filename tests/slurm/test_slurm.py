"""The workflow through sbatch on a real SLURM of one machine: `make test-slurm`, as root.

One small table 1 to its end; a training whose node is lost, that is put back into the queue, cancelled and
stopped at its time limit, and ends with the same weights; one on two tasks; a job that takes more memory
than it asked for and its second attempt.
"""

import contextlib
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
MODEL, CHECKPOINT = (f"work/pretrain/monolingual/0/{name}" for name in ("model.pt", "checkpoint/checkpoint.pt"))
LOG = "logs/pretrain/monolingual-0.log"
GOES_ON = "goes on from the checkpoint after step"
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


def snakemake(folder, *arguments, snakefile=ROOT / "Snakefile", profile="slurm", check=True, **environment):
    """Run Snakemake to its end; return what it printed."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--profile", str(ROOT / "workflow" / "profiles" / profile), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
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


def long_training(folder):
    """Return Snakemake's words for a training that lasts long enough to be disturbed four times."""
    overlay = folder / "long.yaml"
    overlay.write_text("pretrain: {steps: 100, checkpoint_steps: 5}")
    return ["--configfile", *OVERLAYS, str(overlay), "--set-resources", "train_towers:gpu=1"]


def test_the_loss_of_its_node_is_a_failed_training(folder):
    """Without requeueing and without a second attempt."""
    profile = folder / "no-requeue"
    profile.mkdir()
    shipped = (ROOT / "workflow/profiles/slurm/profile.yaml").read_text()
    (profile / "profile.yaml").write_text(shipped.replace("slurm-requeue:", "slurm-no-requeue:"))
    with meanwhile(folder, lose_its_node):
        words = ["--retries", "0", *long_training(folder), "--", MODEL]
        text = snakemake(folder, *QUICK, *words, profile=profile, check=False)
    assert "NODE_FAIL" in text and not (folder / MODEL).exists() and (folder / CHECKPOINT).exists()


def test_that_training_goes_on_through_all_that_a_cluster_does_to_it(folder):
    """Put back into the queue, cancelled, at its time limit; in the end the weights of an undisturbed one."""
    words = long_training(folder)
    with meanwhile(folder, requeue, cancel, reach_the_time_limit):
        text = snakemake(folder, *QUICK, "--rerun-incomplete", *words, "--", MODEL)
    assert "CANCELLED" in text and requests()["train_towers"]["gpu"] == "1"
    logs = (folder / ".snakemake/slurm_logs/rule_train_towers").rglob("*.log")
    assert sum("stopped by a signal, saved after step" in path.read_text() for path in logs) == 2
    check_undisturbed(folder, *words[:-2])


def test_two_tasks_train_together_and_go_on_together(folder):
    """Two tasks stand for two nodes; the weights are those of two processes on one machine."""
    (folder / "two.yaml").write_text("pretrain: {steps: 40, checkpoint_steps: 5}")
    words = ["--configfile", *OVERLAYS, str(folder / "two.yaml")]
    with meanwhile(folder, cancel):
        tasks = ["--set-resources", "train_towers:tasks=2", "train_towers:mpi=srun"]
        snakemake(folder, *QUICK, *words, "--force", *tasks, "--", MODEL)
    assert requests()["train_towers"]["cpu"] == "2" and GOES_ON in (folder / LOG).read_text()
    check_undisturbed(folder, *words, "--resources", "gpu=2", "--set-resources", "train_towers:gpu=2")


def check_undisturbed(folder, *words):
    """Train again on this machine, without SLURM and in one go, and compare the weights bit by bit."""
    disturbed = (folder / MODEL).read_bytes()
    snakemake(folder, "--cores", "2", *words, "--force", "--", MODEL, profile="local", CUDA_VISIBLE_DEVICES="0,1")
    assert GOES_ON not in (folder / LOG).read_text()
    assert (folder / MODEL).read_bytes() == disturbed


@contextlib.contextmanager
def meanwhile(folder, *troubles):
    """Make trouble for the training while Snakemake waits for it: one function of `folder` after another."""
    done = []

    def work():
        for trouble in troubles:
            until(lambda: not ask("squeue", "--noheader", "--states=COMPLETING") and running())
            saved = changed(folder / CHECKPOINT)
            until(lambda saved=saved: running() and changed(folder / CHECKPOINT) > saved)
            trouble(folder)
            done.append(trouble)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(30)
    assert done == list(troubles)


def lose_its_node(folder):
    """Let the machine vanish, and come back when the job has failed."""
    job = running()
    cluster.lose_node()
    until(lambda: "NODE_FAIL" in ask("scontrol", "show", "job", job))
    cluster.return_node()


def requeue(folder):
    """Put the job back into the queue, as a preemption does, and see that it goes on when it runs again."""
    job = running()
    ask("scontrol", "requeue", job)
    until(lambda: "JobState=PENDING" in ask("scontrol", "show", "job", job))
    ask("scontrol", "update", f"jobid={job}", "StartTime=now")
    until(lambda: running() == job and GOES_ON in (folder / LOG).read_text())


def cancel(folder):
    """Cancel the job."""
    ask("scancel", running())


def reach_the_time_limit(folder):
    """Bring the time limit so near that SLURM warns the job, holding the training until it does.

    SLURM looks at time limits twice a minute, and the training would be over by then.
    """
    job = running()
    pids = [int(line.split()[0]) for line in ask("scontrol", "listpids", job).splitlines()[1:]]
    trainers = [pid for pid in pids if b"soundstage.pretrain.train" in words_of(pid)[:4]]
    assert trainers
    for pid in trainers:
        os.kill(pid, signal.SIGSTOP)
    ask("scontrol", "update", f"jobid={job}", "TimeLimit=2")
    until(lambda: not any(is_held(pid) for pid in trainers))  # SLURM wakes what it warns


def words_of(pid):
    """Return the command line of a process as a list of bytes."""
    return _told(pid, "cmdline").split(b"\0")


def is_held(pid):
    """Return whether a process is stopped, and has not gone on or ended."""
    return _told(pid, "stat").rpartition(b")")[2].split()[:1] == [b"T"]


def _told(pid, name):
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has ended
        return b""


def running():
    """Return the number of the job that runs, "" without one."""
    return ask("squeue", "--noheader", "--states=RUNNING", "--format=%A")


def ask(*command):
    """Return what a command of SLURM prints."""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def changed(path):
    """Return when a file was changed last, 0 without it."""
    return path.stat().st_mtime_ns if path.exists() else 0


def until(ready, seconds=300):
    """Wait until ready() is true."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def test_a_job_that_takes_too_much_memory_gets_more_at_its_second_attempt(folder):
    text = snakemake(folder, *QUICK, snakefile=ROOT / "tests" / "slurm" / "memory.smk")
    assert (folder / "memory.txt").read_text() == "600000000\n"
    assert "mem_mb=700" in text and "mem_mb=1400" in text
    assert requests()["take_memory"]["mem"] == "1400M"
