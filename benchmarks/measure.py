"""What the benchmarks of the towers, the objective and the loader share: time, memory, tables."""

import ctypes
import multiprocessing
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch


def seconds_of(work, device="cpu", wall=False):
    """Return the time of one call: of the clock on a GPU or where asked, else of the processor, all threads."""
    clock = time.perf_counter if wall or device == "cuda" else time.process_time
    if device == "cuda":
        torch.cuda.synchronize()
    begun = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - begun


def best_seconds(work, repeats, device="cpu", warm=True, wall=False):
    """Return the least time of `repeats` calls, by default after one to warm up; see `seconds_of`."""
    if warm:
        work()
    return min(seconds_of(work, device, wall) for _ in range(repeats))


def fresh(function, *arguments):
    """Return function(*arguments) out of a process of its own, whose memory nothing has used before."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_mb(work, device="cpu"):
    """Return how much more memory than before, in 10^6 bytes, `work()` needs at its peak.

    On a CPU that is what the kernel counts; blocks that were freed before and not given back are
    not seen, so that a process should measure nothing else before: see `fresh`.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    _give_back()
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the highest memory so far
    before = _status_mb("VmRSS")
    work()
    return max(0.0, _status_mb("VmHWM") - before)


def _give_back():
    """Let the C library give freed memory back to the kernel, where it knows how to."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        pass


def _status_mb(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6


def table(head, rows):
    """Print a Markdown table, its first column to the left."""
    print("| " + " | ".join(head) + " |")
    print("| --- |" + " --: |" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
    print()


def machine(device, clock="CPU times are of the processor, not of the clock; the best of the repeats.", threads=True):
    """Print where and by which clock this was measured, and that no GPU was, where there is none."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.machine()
    many = f"{torch.get_num_threads()} thread(s), " if threads else ""
    print(f"{name}, {many}torch {torch.__version__}.")
    if device == "cuda":
        print(f"GPU: {torch.cuda.get_device_name()}.")
    elif not torch.cuda.is_available():
        print("No GPU here: nothing below says anything about one.")
    print(clock + "\n", flush=True)
