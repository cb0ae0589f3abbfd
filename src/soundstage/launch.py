"""Run a training as one process, as one for each of several GPUs, or on several nodes of SLURM.

    python -m soundstage.launch --gpus 4 -- soundstage.pretrain.train --inputs ...
    python -m soundstage.launch --gpus 16 --tasks 2 --threads 8 -- soundstage.pretrain.train --inputs ...

One task and at most one GPU: the module runs here, as if it had been typed. Several GPUs: torchrun starts
a process for each. Several tasks, inside a job of SLURM: srun starts this program once for each task,
normally one on a node, and torchrun in it; they meet at the job's first node (SLURM_JOB_NODELIST) on a
port that the job's number gives, each with the rank SLURM_PROCID. The GPUs are the job's own, see
soundstage.devices. SIGTERM, SIGINT and SIGUSR1 are passed on to the processes that train.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from soundstage import devices
from soundstage.cli import parser, run
from soundstage.errors import UserError

FIRST_PORT, PORTS = 20000, 10000
STOPPED = 128 + signal.SIGTERM, 128 + signal.SIGINT  # of a process that has saved a checkpoint when it was asked to
AFTERMATH = -signal.SIGABRT, -signal.SIGTERM, *STOPPED  # how a process can end because another has failed


def spelled_out(words):
    """Return the words of a command with each @FILE replaced by its lines.

    FILE may be a pipe of the shell that started this program, which no other process can read.
    """
    return [line for word in words for line in (_lines(word[1:]) if word.startswith("@") else [word])]


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError as error:
        raise UserError(f"cannot read the list ({error.strerror})", path) from None


def start_tasks(options, environment):
    """Become srun, which starts this program in each task of the job; UserError outside of such a job."""
    if "SLURM_JOB_ID" not in environment:
        what = f"a training on {options.tasks} tasks needs a job of SLURM"
        raise UserError(what, fix="use the profile slurm, or set the rule's tasks to 1")
    if "SLURM_STEP_ID" in environment:
        what = "the job of several tasks was started as one task"
        raise UserError(what, fix="set mpi: srun beside nodes and tasks of train_towers in the profile")
    words = ["--gpus", options.gpus, "--tasks", options.tasks, "--", *spelled_out(options.command)]
    # one that fails ends the others, which would wait for it
    command = ["srun", f"--ntasks={options.tasks}", f"--cpus-per-task={options.threads}", "--kill-on-bad-exit=1"]
    command += [sys.executable, "-m", "soundstage.launch", *map(str, words)]
    os.execvpe(command[0], command, environment)


def first_host(nodes):
    """Return the first name of a list of nodes as SLURM writes it, such as "gpu[03-07,9],login"."""
    if "[" not in nodes:
        return nodes.split(",")[0]
    command = ["scontrol", "show", "hostnames", nodes]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


def meeting_place(options, environment):
    """Return torchrun's flags that say where the processes of all tasks meet."""
    if options.tasks == 1:
        return ["--standalone"]
    port = FIRST_PORT + int(environment["SLURM_JOB_ID"]) % PORTS
    host = first_host(environment["SLURM_JOB_NODELIST"])
    rank = environment["SLURM_PROCID"]
    return [f"--nnodes={options.tasks}", f"--node-rank={rank}", f"--master-addr={host}", f"--master-port={port}"]


def processes_here(options, environment):
    """Return how many processes train in this task: one for each GPU that it sees, or one."""
    if not options.gpus:
        return 1
    return len(devices.devices(environment)) or max(1, options.gpus // options.tasks)


def trainers():
    """Return the process ids of this program's children."""
    lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return [int(pid) for text in lists for pid in text.split()]


def cause(failures):
    """Return (rank, exit status) of the process that ended a training, of torchrun's {rank: ProcessFailure}.

    Several have ended when torchrun looks, and those that it ends itself are among them. One that was killed
    makes the others fail, and one that failed can make the others abort.
    """

    def order(rank):
        status = failures[rank].exitcode
        return status in AFTERMATH, failures[rank].timestamp, status >= 0, rank

    rank = min(failures, key=order)
    return rank, failures[rank].exitcode


def _ended(status):
    """Return the words for a status other than 0, the negative number of a signal included."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"failed with status {status}"


class PassOn:
    """Passes signals on to the processes that train; remembers which one ends them."""

    def __enter__(self):
        self.ending = 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._pass_on)
        return self

    def _pass_on(self, number, _frame):
        found = trainers()
        if number != signal.SIGUSR1:
            self.ending = number
            if not found:  # they have not begun: nothing is lost
                raise SystemExit(128 + number)
        for pid in found:
            os.kill(pid, number)

    def __exit__(self, *_):
        pass


def train_together(options, environment):
    """Run torchrun for this task's processes; return the exit status."""
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    os.environ.update(environment)
    module, *words = spelled_out(options.command)
    flags = [f"--nproc-per-node={processes_here(options, environment)}", *meeting_place(options, environment)]
    # torchrun's own way with signals gives up at the second one, and SLURM sends several
    flags += ["--signals-to-handle=SIGQUIT", "--max-restarts=0", "-m", "--", module]
    with PassOn() as signals:
        try:
            torchrun.run(torchrun.parse_args([*flags, *words]))
        except ChildFailedError as error:
            rank, status = cause(error.failures)
            if signals.ending or status in STOPPED:
                return 128 + (signals.ending or signal.SIGTERM)
            raise UserError(f"process {rank} of the training {_ended(status)}, see above", module) from None
    return 0


def main():
    """Start what the command line asks for."""
    arguments = parser(__doc__)
    arguments.fromfile_prefix_chars = None  # @FILE is the module's
    arguments.add_argument("--gpus", type=int, default=0, help="GPUs of the whole job (default: 0)")
    arguments.add_argument("--tasks", type=int, default=1, help="tasks of SLURM, one on a node (default: 1)")
    arguments.add_argument("--threads", type=int, default=1, help="cores of a task (default: 1)")
    arguments.add_argument("command", nargs="+", help="the module and its arguments, after --")
    options = arguments.parse_args()
    if options.tasks > 1 and os.environ.get("SLURM_STEP_NUM_TASKS") != str(options.tasks):
        start_tasks(options, dict(os.environ))
    environment = devices.own(options.gpus)
    if options.tasks == 1 and options.gpus <= 1:
        os.execve(sys.executable, [sys.executable, "-m", *options.command], environment)
    return train_together(options, environment)


if __name__ == "__main__":
    run(main)
