"""Time event parsing against the plain way: the metric, the input side, and a whole epoch.

python benchmarks/parse.py --work parse-benchmark --videos 10000

Random features in the real shapes (VGGish 10 x 128, ResNet-152 80 x 2048, R(2+1)D 10 x 512) are
written as a .npy file each. The plain way is a DataLoader that opens three files a video, as the
authors' loader does; ours is one packed file in memory. The metric's plain way is a loop over
videos, classes and events. Everything runs on one thread; the files come from the page cache when
memory suffices. 10,000 videos take 7 GB of disk; the folder is kept for the next call.
"""

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import torch

from soundstage.parse import losses, metric, networks, optimise, pack, store
from soundstage.parse.settings import Variant

SHAPES = {"audio": (10, 128), "visual_2d": (80, 2048), "visual_3d": (10, 512)}


def name_of(number):
    return f"{number:011d}_0_10"


def write_features(folder, videos):
    rng = np.random.default_rng(0)
    for key, shape in SHAPES.items():
        (folder / key).mkdir(parents=True, exist_ok=True)
        for number in range(videos):
            path = folder / key / f"{name_of(number)[:11]}.npy"
            if not path.is_file():
                np.save(path, rng.standard_normal(shape, dtype=np.float32))


class Files(torch.utils.data.Dataset):
    """One video a call: three files are opened."""

    def __init__(self, folder, videos):
        self.folder, self.videos = folder, videos

    def __len__(self):
        return self.videos

    def __getitem__(self, number):
        return [np.load(self.folder / key / f"{name_of(number)[:11]}.npy") for key in SHAPES]


def plain_batches(folder, videos, batch):
    return torch.utils.data.DataLoader(Files(folder, videos), batch_size=batch, shuffle=True)


def packed_batches(packed, batch):
    arrays = [torch.from_numpy(packed.arrays[key]) for key in store.INPUTS]
    for chosen in torch.randperm(len(packed.filenames)).split(batch):
        yield [array[chosen] for array in arrays]


def drained(batches):
    """Return seconds for reading every batch once."""
    start = time.perf_counter()
    for batch in batches:
        assert len(batch[0])
    return time.perf_counter() - start


def trained(batches, variant, limit):
    """Return seconds a video of training steps of VALOR on at most `limit` batches; None: on all."""
    torch.manual_seed(0)
    net = networks.network("valor").train()
    optimiser = optimise.optimiser(net.parameters(), variant)
    videos, start = 0, time.perf_counter()
    for inputs in itertools.islice(batches, limit):
        count = len(inputs[0])
        weak, segments = torch.zeros(count, 25), torch.zeros(count, 10, 25)
        value = losses.loss("harvested", net(*inputs), weak, segments, segments)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), variant.clip_norm)
        optimiser.step()
        videos += count
    return (time.perf_counter() - start) / videos


def slow_events(row):
    runs = itertools.groupby(range(len(row)), key=lambda second: bool(row[second]))
    return [set(group) for present, group in runs if present]


def slow_counts(predicted, true, level):
    if level == "segment":
        hits = sum(p and t for p, t in zip(predicted, true, strict=True))
        return hits, sum(predicted) - hits, sum(true) - hits
    found, wanted = slow_events(predicted), slow_events(true)
    hits = sum(any(len(a & b) / len(a | b) >= 0.5 for b in wanted) for a in found)
    missed = sum(not any(len(a & b) / len(a | b) >= 0.5 for a in found) for b in wanted)
    return hits, len(found) - hits, missed


def slow_f(counts):
    kept = [2 * h / (2 * h + f + m) for h, f, m in counts if h + f + m]
    return sum(kept) / len(kept) if kept else 1.0


def slow_scores(audio, visual, true_audio, true_visual):
    """Return {level: five F-scores}, a video and a class at a time."""
    scores = {}
    for level in metric.LEVELS:
        sums = np.zeros(4)
        for a, v, ta, tv in zip(audio, visual, true_audio, true_visual, strict=True):
            counts = [
                [slow_counts(p[:, c].tolist(), t[:, c].tolist(), level) for c in range(p.shape[1])]
                for p, t in ((a, ta), (v, tv), (a & v, ta & tv))
            ]
            both = [tuple(map(sum, zip(*pair, strict=True))) for pair in zip(*counts[:2], strict=True)]
            sums += [slow_f(part) for part in (*counts, both)]
        found = list(100 * sums / len(audio))
        scores[level] = [*found[:3], sum(found[:3]) / 3, found[3]]
    return scores


def best_of(times, function):
    """Return (least processor seconds of several calls, what the last one returned)."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        found = function()
        seconds.append(time.process_time() - start)
    return min(seconds), found


def time_metric(videos):
    """Print how much faster the metric is than the loop, and by how much they differ."""
    rng = np.random.default_rng(0)
    true = [rng.random((videos, 1, 25)) < 0.07 for _ in range(2)]
    true = [np.repeat(part, 10, axis=1) & (rng.random((videos, 10, 25)) < 0.8) for part in true]
    predicted = [part ^ (rng.random(part.shape) < 0.02) for part in true]
    ours, fast = best_of(9, lambda: metric.f_scores(*predicted, *true))
    loop, slow = best_of(2, lambda: slow_scores(*predicted, *true))
    apart = max(abs(a - b) for level in metric.LEVELS for a, b in zip(fast[level].values(), slow[level], strict=True))
    text = f"metric, {videos} videos, processor time"
    print(f"{text}: loop {loop:.2f} s, ours {ours:.3f} s: {loop / ours:.0f} x; differ by {apart:.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the random features, kept")
    parser.add_argument("--videos", type=int, default=10_000, help="videos of the input side")
    parser.add_argument("--steps", type=int, help="training steps that are timed, both ways (default: a whole epoch)")
    parser.add_argument("--metric-videos", type=int, default=1200, help="videos of the metric")
    options = parser.parse_args()
    torch.set_num_threads(1)
    time_metric(options.metric_videos)
    write_features(options.work, options.videos)
    variant = Variant(objective="weak")
    folders = {key: options.work / key for key in SHAPES}
    start = time.perf_counter()
    packed = pack.pack([name_of(number) for number in range(options.videos)], folders)
    path = options.work / "packed.npz"
    store.save_features(path, packed)
    print(f"packing once: {time.perf_counter() - start:.1f} s, {path.stat().st_size / 1e6:.0f} MB")
    start = time.perf_counter()
    packed = store.load_features(path)
    print(f"reading the packed file, once for all seeds and epochs: {time.perf_counter() - start:.2f} s")
    plain = drained(plain_batches(options.work, options.videos, variant.batch_videos))
    ours = drained(packed_batches(packed, variant.batch_videos))
    print(f"input side of an epoch: files {plain:.2f} s, packed {ours:.3f} s: {plain / ours:.1f} x")
    steps = [
        trained(plain_batches(options.work, options.videos, variant.batch_videos), variant, options.steps),
        trained(packed_batches(packed, variant.batch_videos), variant, options.steps),
    ]
    whole = [one * options.videos for one in steps]
    text = f"reckoned from {options.steps} steps each" if options.steps else "whole"
    print(f"epoch of VALOR, {text}: files {whole[0]:.0f} s, packed {whole[1]:.0f} s: {whole[0] / whole[1]:.2f} x")


if __name__ == "__main__":
    main()
