"""Time and memory of the contrast over large batches: in strips, against the plain all-gather form.

    python benchmarks/objective.py --most 16384
    python benchmarks/objective.py --device cuda --most 65536

The plain form is what large batches are usually trained with: both tables of similarities at once. It
is left out from where it needs more than --most-mb.
"""

import argparse

import torch
from measure import best_seconds, machine, peak_mb, table
from torch.nn.functional import cross_entropy, normalize

from soundstage.pretrain.whole_batch import STRIP, contrast

SCALE = 14.0


def plain(x, y, scale):
    target = torch.arange(len(x), device=x.device)
    return (cross_entropy(scale * x @ y.T, target) + cross_entropy(scale * y @ x.T, target)) / 2


def step(loss, x, y):
    def work():
        x.grad = y.grad = None
        loss(x, y, SCALE).backward()

    return work


def rows(options):
    size, fits = options.least, True
    while size <= options.most:
        x, y = (normalize(torch.randn(size, options.dim, device=options.device), dim=1) for _ in range(2))
        x.requires_grad_(), y.requires_grad_()
        repeats = max(1, min(options.repeats, 4096 // (size // 1024) // 256))
        strips = step(lambda *parts: contrast(*parts, strip=options.strip), x, y)
        memory = peak_mb(strips, options.device)
        seconds = best_seconds(strips, repeats, options.device)
        cells = [size, f"{seconds:.2f}", f"{memory:.0f}", f"{1e3 * memory / size:.0f}"]
        if fits:
            memory = peak_mb(step(plain, x, y), options.device)
            seconds = best_seconds(step(plain, x, y), repeats, options.device)
            cells += [f"{seconds:.2f}", f"{memory:.0f}"]
            fits = 4 * memory < options.most_mb
        else:
            cells += ["-", "-"]
        yield cells
        size *= 2


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments.add_argument("--dim", type=int, default=512)
    arguments.add_argument("--strip", type=int, default=STRIP, help="rows compared at a time")
    arguments.add_argument("--least", type=int, default=1024, help="smallest global batch")
    arguments.add_argument("--most", type=int, default=16384, help="largest global batch")
    arguments.add_argument("--most-mb", type=float, default=6000, help="memory that the plain form may need")
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    machine(options.device)
    print(f"forward and backward, one process, {options.dim} dimensions, strips of {options.strip}\n")
    head = ["global batch", "strips s", "strips MB", "strips kB per clip", "plain s", "plain MB"]
    table(head, rows(options))


if __name__ == "__main__":
    main()
