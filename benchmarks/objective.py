"""Time and memory of the contrast over large batches: in strips, against the plain all-gather form.

    python benchmarks/objective.py --most 16384 --picture objective.png
    python benchmarks/objective.py --device cuda --most 65536

The plain form is what large batches are usually trained with: every process gathers all embeddings and
writes down both tables of similarities. It is left out from where it is expected to need more than
--most-mb, four times as much as for half the batch. Every case has a process of its own.
"""

import argparse

import torch
from measure import fresh, machine, peak_mb, seconds_of, table
from torch.nn.functional import cross_entropy, normalize

from soundstage.pretrain.whole_batch import STRIP, contrast

SCALE = 14.0
ENOUGH_SECONDS = 10.0  # spent on one case, after which it is not repeated


def plain(x, y, scale):
    target = torch.arange(len(x), device=x.device)
    return (cross_entropy(scale * x @ y.T, target) + cross_entropy(scale * y @ x.T, target)) / 2


def measured(form, size, options):
    """Return (seconds, MB) of one forward and backward pass over a batch of `size`."""
    torch.set_num_threads(options.threads)
    x, y = (normalize(torch.randn(size, options.dim, device=options.device), dim=1) for _ in range(2))
    x.requires_grad_(), y.requires_grad_()
    times = []

    def work():
        x.grad = y.grad = None
        loss = plain(x, y, SCALE) if form == "plain" else contrast(x, y, SCALE, strip=options.strip)
        loss.backward()

    def timed():
        times.append(seconds_of(work, options.device, options.clock == "wall"))

    memory = peak_mb(timed, options.device)
    while len(times) < options.repeats and sum(times) < ENOUGH_SECONDS:
        timed()
    return min(times), memory


def curves(options):
    """Yield (size, (seconds, MB) in strips, the same of the plain form or None)."""
    size, fits = options.least, True
    while size <= options.most:
        strips = fresh(measured, "strips", size, options)
        whole = fresh(measured, "plain", size, options) if fits else None
        yield size, strips, whole
        fits = fits and 4 * whole[1] <= options.most_mb
        size *= 2


def rows(options, found):
    """Yield the table's rows, gathering in `found` what they are made of."""
    for size, strips, whole in curves(options):
        found.append((size, strips, whole))
        other = ["-", "-"] if whole is None else [f"{whole[0]:.2f}", f"{whole[1]:.0f}"]
        yield [size, f"{strips[0]:.2f}", f"{strips[1]:.0f}", f"{1e3 * strips[1] / size:.0f}", *other]


def draw(found, strip, path):
    """Write a picture of both forms' memory and time over the batch, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for place, (panel, what) in enumerate(zip(axes, ("seconds", "MB at the peak"), strict=True)):
        for form, name in ((1, f"in strips of {strip}"), (2, "both tables whole")):
            points = [(row[0], row[form][place]) for row in found if row[form] is not None]
            panel.loglog(*zip(*points, strict=True), "o-", base=2, label=name)
        panel.set(xlabel="global batch, clips", ylabel=what)
        panel.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path, dpi=120)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments.add_argument("--dim", type=int, default=512)
    arguments.add_argument("--strip", type=int, default=STRIP, help="rows compared at a time")
    arguments.add_argument("--least", type=int, default=1024, help="smallest global batch")
    arguments.add_argument("--most", type=int, default=16384, help="largest global batch")
    arguments.add_argument("--most-mb", type=float, default=6000, help="memory that the plain form may need")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=1)
    text = "processor: time of all threads, for a machine that does other work too"
    arguments.add_argument("--clock", default="processor", choices=("processor", "wall"), help=text)
    arguments.add_argument("--picture", help="PNG of both curves")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    machine(options.device, f"CPU times are of the {options.clock}; the best of {options.repeats} or fewer repeats.")
    print(f"forward and backward, one process, {options.dim} dimensions, strips of {options.strip}")
    print(f"plain: left out from where it would need more than {options.most_mb:.0f} MB\n")
    head, found = ["global batch", "strips s", "strips MB", "strips kB per clip", "plain s", "plain MB"], []
    table(head, rows(options, found))
    if options.picture:
        draw(found, options.strip, options.picture)


if __name__ == "__main__":
    main()
