"""Run a command that sees only the GPUs which are its own.

    python -m soundstage.devices --gpus 1 -- python -m soundstage.pretrain.train ...

Snakemake counts GPUs (`--resources gpu=4`) but tells no job which. Here a job takes as many as it
asked for by locking a file per device, and the command sees these alone (CUDA_VISIBLE_DEVICES). The
locks end with the command, however it ends. Inside a job of SLURM nothing is locked: SLURM has already
given the devices. Without GPUs (--gpus 0) the command sees none. The devices of this machine are those
of CUDA_VISIBLE_DEVICES where it is set, otherwise all that nvidia-smi lists.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from soundstage.cli import parser, run, say
from soundstage.errors import UserError

WAIT_SECONDS = 0.5
LOCKS = Path(tempfile.gettempdir(), f"soundstage-gpus-{os.getuid()}")
_held = []  # open files: a lock ends when its file is closed


def devices(environment):
    """Return the names of this machine's GPUs as a list of strings, empty when there are none."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    return [str(number) for number, _ in enumerate(listed.stdout.splitlines())]


def take(count, names, folder):
    """Return (names of `count` devices that nobody else holds, the open files that hold them).

    Waits until there are enough. UserError where the machine has fewer.
    """
    if count > len(names):
        what = f"the job asks for {count} GPUs, this machine shows {len(names)}: {', '.join(names) or 'none'}"
        raise UserError(what, fix="lower the rule's gpu in the profile, or its CUDA_VISIBLE_DEVICES is too short")
    Path(folder).mkdir(parents=True, exist_ok=True)
    said = False
    while True:
        held = _free(count, names, folder)
        if len(held) == count:
            return list(held), list(held.values())
        for file in held.values():
            file.close()
        if not said:
            say(f"waits for {count} free GPUs of {len(names)}; start Snakemake with --resources gpu={len(names)}")
            said = True
        time.sleep(WAIT_SECONDS)


def _free(count, names, folder):
    """Return {name: open, locked file} of up to `count` devices that were free."""
    held = {}
    for name in names:
        if len(held) == count:
            break
        file = open(Path(folder, f"gpu-{name.replace('/', '_')}.lock"), "w")  # noqa: SIM115 - open as long as held
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held[name] = file
        except BlockingIOError:
            file.close()
    return held


def own(count, folder=None):
    """Return the environment of a command that sees `count` GPUs of its own, which it holds until it ends.

    folder: that of the lock files, one for this user on this machine by default.
    """
    environment = dict(os.environ)
    if count == 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif "SLURM_JOB_ID" not in environment:
        names, files = take(count, devices(environment), folder or LOCKS)
        for file in files:
            os.set_inheritable(file.fileno(), True)
        _held.extend(files)
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(names)
    return environment


def main():
    """Take the devices and become the command."""
    arguments = parser(__doc__)
    arguments.fromfile_prefix_chars = None  # @FILE is the command's
    arguments.add_argument("--gpus", type=int, required=True, help="how many GPUs the command needs")
    arguments.add_argument(
        "--locks", default=LOCKS, help="folder of the lock files (default: one for you on this machine)"
    )
    arguments.add_argument("command", nargs="+", help="the command and its arguments, after --")
    options = arguments.parse_args()
    environment = own(options.gpus, options.locks)
    os.execvpe(options.command[0], options.command, environment)


if __name__ == "__main__":
    run(main)
