"""The S towers against torchvision's MViTv2-S, in one process: clips a second, memory, share of the peak.

    python benchmarks/towers.py --threads 1 0 --clock wall          # on a machine that does nothing else
    python benchmarks/towers.py --device cuda --video-clips 16 --audio-clips 64 --compiled

Patch overlap is on, so that both have as many tokens. torchvision has no tower for spectrograms: for
the audio row its MViT is built for 96 x 288 with kernels of one moment. It keeps its class token there.
Both towers of a row take turns in one process. Memory is measured in a process of its own for each
tower: weights and all that one pass needs, the batch left out.
"""

import argparse
import os
import shutil

import torch
from measure import best_seconds, fresh, machine, peak_mb, seconds_of, table
from torch.utils.flop_counter import FlopCounterMode

import soundstage.model
import soundstage.torch_extras  # noqa: F401  (makes torchvision importable)

BOTH = ("forward", "forward+backward")


def theirs_video():
    from torchvision.models.video import mvit_v2_s

    net = mvit_v2_s()
    net.head = torch.nn.Identity()
    return net


def theirs_audio():
    from torchvision.models.video.mvit import MSBlockConfig, MViT

    grows, blocks, width, heads, stride = (1, 3, 14), [], 96, 1, 4
    for number in range(16):
        step = 2 if number in grows else 1
        heads, stride = heads * step, max(stride // step, 1)
        kernels, strides = [1, 3, 3], ([1, step, step], [1, stride, stride])
        blocks.append(MSBlockConfig(heads, width, width * step, kernels, kernels, *strides))
        width *= step
    net = MViT(
        (96, 288),
        1,
        blocks,
        residual_pool=True,
        residual_with_cls_embed=False,
        rel_pos_embed=True,
        proj_after_attn=True,
        patch_embed_kernel=(1, 7, 7),
        patch_embed_stride=(1, 4, 4),
        patch_embed_padding=(0, 3, 3),
    )
    net.conv_proj = torch.nn.Conv3d(1, 96, (1, 7, 7), (1, 4, 4), (0, 3, 3))
    net.head = torch.nn.Identity()
    return net


def ours_video():
    return soundstage.model.lssd_towers("S", patch_overlap=True)["video"]


def ours_audio():
    return soundstage.model.lssd_towers("S", patch_overlap=True)["audio"]


CASES = {"video": (ours_video, theirs_video), "audio": (ours_audio, theirs_audio)}


def batch_for(build, clips):
    """Return a batch of what a tower reads."""
    if build in CASES["video"]:
        return torch.rand(clips, 3, 16, 224, 224)
    spectrogram = 20 * torch.randn(clips, 1, 96, 288) - 30
    return spectrogram if build is ours_audio else spectrogram[:, :, None]


def pass_of(build, case):
    """Return (function that makes one pass over a batch, its tower)."""
    torch.set_num_threads(case["threads"] or torch.get_num_threads())
    backward = case["work"] == BOTH[1]
    net = build().to(case["device"]).train(backward)
    batch = batch_for(build, case["clips"]).to(case["device"])
    if case["compiled"]:
        net.compile(dynamic=False)
    lower = torch.autocast("cuda", torch.bfloat16, enabled=case["device"] == "cuda")

    def work():
        net.zero_grad(set_to_none=True)
        with torch.set_grad_enabled(backward), lower:
            result = net(batch)
            if backward:
                result.float().square().sum().backward()

    return work, net


def speeds(case):
    """Return (ours, torchvision's) clips a second of a case, the best of passes that took turns."""
    passes = [pass_of(build, case)[0] for build in CASES[case["tower"]]]
    for work in passes:
        work()  # to warm up
    turns = [[seconds_of(work, case["device"], case["wall"]) for work in passes] for _ in range(case["repeats"])]
    return [case["clips"] / min(times) for times in zip(*turns, strict=True)]


def memory_mb(case, number):
    """Return MB of weights and of what a pass adds to them: ours (0) or torchvision's (1)."""
    work, net = pass_of(CASES[case["tower"]][number], case)
    weights = sum(weight.numel() * weight.element_size() for weight in net.parameters())
    return weights / 1e6 + peak_mb(lambda: [work() for _ in range(2)], case["device"])


def matmul_peak(threads, device, wall):
    """Return the FLOP/s of one large matrix product, as the towers' arithmetic is done."""
    torch.set_num_threads(threads or torch.get_num_threads())
    size = 8192 if device == "cuda" else 2048
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    one, other = torch.randn(2, size, size, device=device, dtype=kind)
    return 2 * size**3 / best_seconds(lambda: one @ other, 5, device, wall=wall)


def flops_of(tower):
    """Return the additions and multiplications of torchvision's tower for one clip, forward."""
    build = CASES[tower][1]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        build().eval()(batch_for(build, 1))
    return counter.get_total_flops()


def compiler():
    """Return whether torch.compile can work here, and say so where it cannot."""
    name = os.environ.get("CXX", "g++")
    if shutil.which(name):
        return True
    print(f"compiled: left out, for torch.compile needs a C++ compiler and there is no {name} here\n")
    return False


def row(case, peak, flops):
    """Return the cells of one case."""
    ours, theirs = fresh(speeds, case)
    memory = [] if case["compiled"] else [f"{fresh(memory_mb, case, number):.0f}" for number in (0, 1)]
    work = flops * BOTH.index(case["work"]) * 2 + flops  # the backward pass is twice the forward pass
    shares = [f"{100 * speed * work / peak:.0f} %" for speed in (ours, theirs)]
    name = f"{case['tower']}, {case['work']}, {'compiled' if case['compiled'] else 'eager'}"
    many = case["threads"] or torch.get_num_threads()
    clips = [f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.2f}"]
    return name, case["clips"], many, *clips, *(memory or ["-", "-"]), *shares


def rows(options):
    peaks = {many: fresh(matmul_peak, many, options.device, options.clock == "wall") for many in options.threads}
    for many, peak in peaks.items():
        print(f"matrix product, {many or torch.get_num_threads()} thread(s): {peak / 1e9:.0f} GFLOP/s")
    ways = (False, True) if options.compiled and compiler() else (False,)
    head = ["tower", "clips in a batch", "threads", "ours clips/s", "torchvision clips/s", "ratio"]
    yield [*head, "ours MB", "torchvision MB", "ours of the product's speed", "torchvision of it"]
    common = {"device": options.device, "repeats": options.repeats, "wall": options.clock == "wall"}
    for tower in options.towers:
        flops, clips = fresh(flops_of, tower), {"video": options.video_clips, "audio": options.audio_clips}[tower]
        for work in options.work:
            for many in options.threads:
                for compiled in ways:
                    case = {"tower": tower, "work": work, "threads": many, "compiled": compiled, "clips": clips}
                    yield row(case | common, peaks[many], flops)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments.add_argument("--video-clips", type=int, default=1, help="clips in a batch of pictures")
    arguments.add_argument("--audio-clips", type=int, default=8, help="clips in a batch of sound")
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--threads", type=int, nargs="+", default=[1], help="0 = torch's default")
    text = "processor: time of all threads, for a machine that does other work too"
    arguments.add_argument("--clock", default="processor", choices=("processor", "wall"), help=text)
    arguments.add_argument("--compiled", action="store_true", help="also compile both; takes minutes")
    arguments.add_argument("--towers", nargs="+", default=("video", "audio"), choices=("video", "audio"))
    arguments.add_argument("--work", nargs="+", default=BOTH, choices=BOTH)
    options = arguments.parse_args()
    machine(options.device, f"CPU times are of the {options.clock}; the best of {options.repeats} repeats.", False)
    found = rows(options)
    table(next(found), found)


if __name__ == "__main__":
    main()
