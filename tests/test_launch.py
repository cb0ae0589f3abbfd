"""Trainings of one process, of one for each GPU, and of several tasks as SLURM would start them."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from soundstage import launch
from soundstage.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
TRAINEE = """\
import os, sys, time
from soundstage.pretrain.group import join
from soundstage.pretrain.loop import StopSignal

def say(*words):
    if group.first:
        print(*words, flush=True)
with join("cpu") as group, StopSignal() as stop:
    group.highest(0)  # now all of them listen
    say("begun", group.processes, os.environ["CUDA_VISIBLE_DEVICES"], *sys.argv[1:])
    for step in range(int(os.environ["STEPS"])):
        time.sleep(0.05)
        ending, save = group.highest(stop.asked), group.highest(int(stop.save))
        stop.save = False
        if save:
            say("saved")
        if ending:
            say("stopped")
            raise SystemExit(128 + ending)
say("done")
"""


def start(folder, *flags, words=("--run", "x"), steps=2, **environment):
    """Start the launcher on a module that behaves like a training."""
    (folder / "trainee.py").write_text(TRAINEE)
    path = f"{ROOT / 'src'}:{folder}"
    environment = {**os.environ, "PYTHONPATH": path, "STEPS": str(steps), "TMPDIR": str(folder), **environment}
    command = [sys.executable, "-m", "soundstage.launch", *flags, "--", "trainee", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def tasks(folder, port, **more):
    """Start the two tasks of a job with the variables that SLURM gives them."""
    shared = {"SLURM_JOB_ID": str(port), "SLURM_JOB_NODELIST": "localhost", "SLURM_STEP_NUM_TASKS": "2"}
    return [start(folder, "--tasks", "2", SLURM_PROCID=str(rank), **shared, **more) for rank in (0, 1)]


def test_one_process_is_the_command_itself(tmp_path):
    (tmp_path / "list").write_text("a\nb\n")
    job = start(tmp_path, words=("--inputs", "@list"))
    assert job.communicate(timeout=120)[0] == "begun 1  --inputs @list\ndone\n" and job.returncode == 0


def test_each_gpu_gets_a_process_and_lists_are_spelled_out(tmp_path):
    (tmp_path / "list").write_text("a\nb c\n")
    job = start(tmp_path, "--gpus", "2", words=("--run", "x", "@list"), CUDA_VISIBLE_DEVICES="GPU-a,GPU-b,GPU-c")
    assert job.communicate(timeout=120)[0] == "begun 2 GPU-a,GPU-b --run x a b c\ndone\n" and job.returncode == 0


def test_tasks_meet_and_signals_reach_all_of_them(tmp_path):
    first, second = tasks(tmp_path, os.getpid(), steps=4000)
    assert first.stdout.readline() == "begun 2  --run x\n"
    second.send_signal(signal.SIGUSR1)
    assert first.stdout.readline() == "saved\n"
    for _ in range(3):  # SLURM sends several
        second.send_signal(signal.SIGTERM)
    assert first.communicate(timeout=120)[0] == "stopped\n"
    assert second.wait(timeout=120) == first.returncode == 128 + signal.SIGTERM


def test_a_process_that_fails_is_reported_on_one_screen(tmp_path):
    job = start(tmp_path, "--gpus", "2", steps="none", CUDA_VISIBLE_DEVICES="a,b")
    said = job.communicate(timeout=120)[1]
    assert job.returncode == 2 and "ValueError" in said and "of the training failed with status 1," in said


def test_the_process_that_ended_the_others_is_named():
    for ended, rank in (
        ({0: 1, 1: 1}, 0),  # {rank: status}
        ({0: -6, 1: 1}, 1),
        ({0: 1, 1: -9}, 1),
        ({0: -15, 1: -9}, 1),
        ({0: 143, 1: 2}, 1),
        ({0: -6, 1: -6}, 0),
        ({0: 1, 1: (-9, 30)}, 0),  # torchrun kills what does not end in 30 seconds
        ({0: 143, 1: 143}, 0),
    ):
        ended = {place: how if isinstance(how, tuple) else (how, 0) for place, how in ended.items()}
        failures = {place: SimpleNamespace(exitcode=how[0], timestamp=how[1]) for place, how in ended.items()}
        assert launch.cause(failures) == (rank, ended[rank][0])


def test_a_process_that_is_killed_is_said(tmp_path):
    job = start(tmp_path, "--gpus", "2", steps=4000, CUDA_VISIBLE_DEVICES="a,b")
    assert job.stdout.readline().startswith("begun")
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(children[1]), signal.SIGKILL)
    assert "process 1 of the training was ended by SIGKILL" in job.communicate(timeout=120)[1] and job.returncode == 2


def test_several_tasks_need_a_job_that_was_made_for_them(tmp_path):
    for environment, words in (
        ({}, "needs a job of SLURM"),
        ({"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0"}, "mpi: srun"),
    ):
        job = start(tmp_path, "--tasks", "2", **environment)
        assert words in job.communicate(timeout=120)[1] and job.returncode == 2


def test_srun_starts_the_same_command_in_each_task(tmp_path):
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/sh\nfor word; do echo "$word"; done\n')
    srun.chmod(0o755)
    (tmp_path / "list").write_text("a\nb\n")
    words = ("--gpus", "4", "--tasks", "2", "--threads", "3")
    path = f"{tmp_path}:{os.environ['PATH']}"
    job = start(tmp_path, *words, words=("--inputs", "@list"), SLURM_JOB_ID="7", PATH=path)
    said = job.communicate(timeout=120)[0].splitlines()
    assert said[:3] == ["--ntasks=2", "--cpus-per-task=3", "--kill-on-bad-exit=1"]
    assert said[-9:] == ["--gpus", "4", "--tasks", "2", "--", "trainee", "--inputs", "a", "b"]


def test_the_first_host_of_a_list_of_nodes(tmp_path, monkeypatch):
    assert launch.first_host("gpu07") == "gpu07" and launch.first_host("login,gpu7") == "login"
    (tmp_path / "scontrol").write_text(
        '#!/bin/sh\ntest "$*" = "show hostnames gpu[03-04]" && printf "gpu03\\ngpu04\\n"\n'
    )
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert launch.first_host("gpu[03-04]") == "gpu03"


def test_a_list_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot read the list"):
        launch.spelled_out([f"@{tmp_path / 'none'}"])
