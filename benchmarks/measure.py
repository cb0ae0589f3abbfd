"""What the benchmarks of the towers, the objective and the loader share: time, memory, tables."""

import platform
import time
from pathlib import Path

import torch


def best_seconds(work, repeats, device="cpu", warm=True):
    """Return the least time of `repeats` calls, by default after one to warm up: processor's or GPU's."""
    if warm:
        work()
    times = []
    for _ in range(repeats):
        if device == "cuda":
            torch.cuda.synchronize()
        begun = time.perf_counter() if device == "cuda" else time.process_time()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() if device == "cuda" else time.process_time()) - begun)
    return min(times)


def peak_mb(work, device="cpu"):
    """Return how much more memory than before, in 10^6 bytes, `work()` needs at its peak."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the highest memory so far
    before = _status_mb("VmRSS")
    work()
    return max(0.0, _status_mb("VmHWM") - before)


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


def machine(device, clock="CPU times are of the processor, not of the clock; the best of the repeats."):
    """Print where and by which clock this was measured, and that no GPU was, where there is none."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.machine()
    print(f"{name}, {torch.get_num_threads()} thread(s), torch {torch.__version__}.")
    if device == "cuda":
        print(f"GPU: {torch.cuda.get_device_name()}.")
    elif not torch.cuda.is_available():
        print("No GPU here: nothing below says anything about one.")
    print(clock + "\n", flush=True)
