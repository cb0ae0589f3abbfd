"""Embedding files: how near to the slower of the decoder and the towers, and the one-file-at-a-time loop beside it.

python benchmarks/embed.py --work embed-benchmark [--towers small lssd_s] [--files 24] [--workers 2] [--repeats 2]

Clips of ten seconds, 320 x 240 pixels, H.264 and AAC, are made once in the work folder. Measured by the clock, on as
many cores as there are workers, each over the same clips: the decoder alone (`read_file` by threads, nothing
embedded), the towers alone (the same windows, lying ready), `soundstage.evaluate.embed` from files to embeddings,
and the plain loop that decodes a file, embeds its windows and goes on. Nobody else should be using the machine.
"""

import argparse
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
from measure import machine, table

from soundstage.evaluate import embed, frozen
from soundstage.evaluate.ahead import ahead
from soundstage.evaluate.settings import Settings
from soundstage.model.lssd_inputs import PAPER
from soundstage.model.settings import Model
from soundstage.model.towers import build

SECONDS = 10


def main():
    """Read the flags, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the clips")
    parser.add_argument("--towers", nargs="+", default=["small"], choices=["small", "lssd_s"])
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2, help="decoding threads, and threads of the towers")
    parser.add_argument("--batch", type=int, default=64, help="windows embedded at once")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.workers)
    machine("cpu", f"Clips of {SECONDS} s a second of the clock, the best of {options.repeats}.")
    files = [clip(options.work, number) for number in range(options.files)]
    head = ["towers", "decoder alone", "towers alone", "embed", "of the slower", "one file at a time"]
    table(head, (rates(name, files, options) for name in options.towers))


def clip(folder, number):
    """Return the path of a clip with picture and sound, made unless it is there."""
    path = folder / f"{number:03d}.mp4"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            f"mandelbrot=s=320x240:r=25:start_scale={3 - number / 20}",
        ]
        command += ["-f", "lavfi", "-i", f"anoisesrc=r=48000:a=0.1:seed={number}", "-t", str(SECONDS)]
        subprocess.run([*command, "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac", str(path)], check=True)
    return path


def towers_of(name):
    """Return `frozen.Frozen` towers with random weights, on which no time depends."""
    settings = Model() if name == "small" else Model(towers=name, inputs=PAPER)
    return frozen.Frozen(build(settings).eval().requires_grad_(False), settings, name, 0)


def rates(name, files, options):
    """Return a row: clips a second of each way, and ours over the slower part."""
    towers, settings = towers_of(name), Settings(batch_windows=options.batch)
    blocks = list(decoded(files, towers, settings, options.workers))
    ways = {
        "decoder": lambda: sum(1 for _ in decoded(files, towers, settings, options.workers)),
        "towers": lambda: embedded(blocks, towers, len(files), settings),
        "embed": lambda: embed.embed_files(towers, files, settings, options.workers),
        "loop": lambda: [embed.embed_files(towers, [file], settings) for file in files],
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(options.repeats):
        for way, work in ways.items():
            begun = time.perf_counter()
            work()
            best[way] = max(best[way], len(files) / (time.perf_counter() - begun))
    share = best["embed"] / min(best["decoder"], best["towers"])
    return (
        name,
        *(f"{best[x]:.2f}" for x in ("decoder", "towers", "embed")),
        f"{100 * share:.0f} %",
        f"{best['loop']:.2f}",
    )


def decoded(files, towers, settings, workers):
    """Yield (number, part, windows) of all files."""

    def work(item):
        return embed.read_file(item[1], towers.settings.inputs, settings)

    for (number, _), blocks in ahead(enumerate(files), work, workers):
        for part, block in blocks:
            yield number, part, block


def embedded(blocks, towers, count, settings):
    """Embed windows that lie ready."""
    means = {part: frozen.Means(towers, part, count, settings.batch_windows) for part in embed.PARTS}
    for number, part, block in blocks:
        means[part].add(block, np.full(len(block), number))
    return [mean.result() for mean in means.values()]


if __name__ == "__main__":
    main()
