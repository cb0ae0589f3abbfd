"""Start or stop a real SLURM of one machine, for tests: `python tests/slurm/cluster.py start|stop|status`.

Needs root on Debian or Ubuntu; installs munge and slurm-wlm where they are missing. Listens on this
machine alone, keeps everything in STATE but for /etc/slurm/slurm.conf and gres.conf, where jobs look
for them; refuses where files stand there that it did not write; stops only what it started.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

STATE = Path("/var/tmp/soundstage-slurm")
CONFIGURATION = Path("/etc/slurm")
MARK = "# written by tests/slurm/cluster.py of Soundstage, which removes it at its end\n"
PORTS = 16817, 16818
GPUS = 2
STARTED = "munged", "slurmctld", "slurmd"
SLURM_CONF = """\
ClusterName=soundstage
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
# every daemon at the address that its machine has in this file, so that nobody else can reach it
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge/socket
CredType=cred/munge
StateSaveLocation={state}/slurmctld
SlurmdSpoolDir={state}/slurmd
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
# neither cgroups nor accounting: both want more of a machine than a container gives
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# memory is watched every two seconds, and a job that takes more than it asked for is killed
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
# how long squeue still tells what became of a job
MinJobAge=3600
KillWait=20
ReturnToService=2
MpiDefault=none
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} TmpDisk={disk_mb} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
GRES_CONF = "AutoDetect=off\nName=gpu File={state}/gpu[0-{last_gpu}]\n"


def refusal():
    """Return why the cluster cannot be started here, or None."""
    if os.geteuid() != 0:
        return "needs root: it installs and starts the daemons of SLURM"
    if not shutil.which("apt-get") and not shutil.which("slurmctld"):
        return "needs Debian's or Ubuntu's packages munge and slurm-wlm"
    for name in ("slurm.conf", "gres.conf"):
        path = CONFIGURATION / name
        if path.exists() and not path.read_text().startswith(MARK):
            return f"{path} was written by somebody else: this machine has a SLURM of its own"
    return None


def install():
    """Install the packages that are missing; their daemons are not started."""
    commands = {"munged": "munge", "slurmctld": "slurm-wlm", "slurmd": "slurm-wlm"}
    missing = sorted({package for command, package in commands.items() if not shutil.which(command)})
    if not missing:
        return
    print(f"installing {' '.join(missing)}", flush=True)
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-qq"], **quiet)
    with _nothing_started():
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], **quiet)


@contextlib.contextmanager
def _nothing_started():
    """Keep packages from starting what they install, by Debian's own means, where nobody has said otherwise."""
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink(missing_ok=True)


def start():
    """Start the three daemons and wait until the machine takes jobs; RuntimeError where it cannot be."""
    if reason := refusal():
        raise RuntimeError(reason)
    stop()
    install()
    _write_configuration()
    try:
        _start_munge()
        _start("slurmctld", "-D", "-c")
        _start("slurmd", "-D")
        _wait("the machine to take jobs", lambda: "idle" in _ask("sinfo", "--noheader", "--format=%T"))
    except BaseException:
        stop()
        raise


def stop():
    """Stop the daemons that `start` started, with the jobs they run, and remove what it wrote."""
    if _alive("slurmctld") and _alive("slurmd"):
        _ask("scancel", "--state=PENDING,RUNNING,SUSPENDED", "--user=root")
        with contextlib.suppress(TimeoutError):
            _wait("the jobs to end", lambda: not _ask("squeue", "--noheader"), 40)
    for name in reversed(STARTED):
        _stop(name)
    for name in ("slurm.conf", "gres.conf"):
        path = CONFIGURATION / name
        if path.exists() and path.read_text().startswith(MARK):
            path.unlink()
    shutil.rmtree(STATE, ignore_errors=True)


def lose_node():
    """End slurmd and every process of its jobs at once, as when a machine loses its power, and tell slurmctld.

    By itself slurmctld would notice after SlurmdTimeout, five minutes.
    """
    jobs = [int(line.split()[0]) for line in _ask("scontrol", "listpids").splitlines()[1:]]
    daemons = {_parent(pid) for pid in jobs if _name(_parent(pid)) == "slurmstepd"}
    for pid in [_alive("slurmd"), *daemons, *jobs]:
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(pid, signal.SIGKILL)
    _ask("scontrol", "update", f"nodename={_host()}", "state=down", "reason=lost")


def return_node():
    """Start slurmd again after `lose_node`, and wait until it takes jobs."""
    _start("slurmd", "-D")
    _wait("the machine to take jobs", lambda: "idle" in _ask("sinfo", "--noheader", "--format=%T"))


def _host():
    return socket.gethostname().split(".")[0]


def _parent(pid):
    """Return the process id of a process's parent, 0 when there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _write_configuration():
    for folder in (STATE, STATE / "slurmctld", STATE / "slurmd", STATE / "munge", CONFIGURATION):
        folder.mkdir(parents=True, exist_ok=True)
    values = {
        "host": _host(),
        "ports": PORTS,
        "state": STATE,
        "cpus": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10,
        "disk_mb": shutil.disk_usage(STATE).free // 2**20,
        "gpus": GPUS,
        "last_gpu": GPUS - 1,
    }
    for index in range(GPUS):
        # stands in for the device of a GPU: SLURM wants to see one, and numbers it by its name
        os.mknod(STATE / f"gpu{index}", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    for name, text in (("slurm.conf", SLURM_CONF), ("gres.conf", GRES_CONF)):
        (CONFIGURATION / name).write_text(MARK + text.format(**values))


def _start_munge():
    """Start munged as its own user with a key, a socket and a log of its own."""
    folder = STATE / "munge"
    (folder / "key").write_bytes(os.urandom(128))
    (folder / "key").chmod(0o400)
    for path in (folder, folder / "key"):
        shutil.chown(path, "munge", "munge")
    folder.chmod(0o755)
    places = [f"--{name}-file={folder / name}" for name in ("key", "log", "pid", "seed")]
    _start("munged", "--foreground", f"--socket={folder / 'socket'}", *places, user="munge")
    _wait("munged", (folder / "socket").exists)


def _start(name, *arguments, user=None):
    """Start a daemon detached from this terminal, and note its process id and when it began."""
    with open(STATE / f"{name}.out", "wb") as out:
        process = subprocess.Popen(
            [shutil.which(name) or f"/usr/sbin/{name}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            user=user,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
    (STATE / f"{name}.started").write_text(f"{process.pid} {_birth(process.pid)}")


def _birth(pid):
    """Return when a process began, in ticks since the machine did, or None when there is none.

    With it a process id that was given anew to somebody else is told from the daemon's.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _alive(name):
    """Return the process id of a daemon that `start` started and that still runs, or None."""
    try:
        pid, birth = (STATE / f"{name}.started").read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _birth(pid) == birth else None


def _stop(name, seconds=10):
    """End one daemon, politely first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = _alive(name)
        if pid is None:
            return
        os.kill(pid, number)
        with contextlib.suppress(TimeoutError):
            _wait(f"the end of {name}", lambda: _alive(name) is None, seconds)


def _ask(*command):
    """Return what a command of SLURM prints, "" when it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _wait(what, ready, seconds=30):
    """Return when ready() is true; TimeoutError with the daemons' last words otherwise."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return
        time.sleep(0.2)
    said = [path.read_text(errors="replace")[-1500:] for path in (*STATE.glob("*.log"), *STATE.glob("*.out"))]
    raise TimeoutError("\n".join([f"waited {seconds} s in vain for {what}", *said]))


def main():
    """Do what the command line asks."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("action", choices=("start", "stop", "status"))
    action = arguments.parse_args().action
    if action == "start":
        try:
            start()
        except (RuntimeError, TimeoutError) as error:
            sys.exit(f"error: {error}")
    elif action == "stop":
        stop()
    print({name: _alive(name) for name in STARTED})
    print(_ask("scontrol", "show", "nodes"))


if __name__ == "__main__":
    main()
