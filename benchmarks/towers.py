"""The S towers against torchvision's MViTv2-S, in one process: clips a second, memory, share of the peak.

    python benchmarks/towers.py --repeats 3
    python benchmarks/towers.py --device cuda --clips 16 --compiled

Patch overlap is on, so that both have as many tokens. torchvision has no tower for spectrograms: for
the audio row its MViT is built for 96 x 288 with kernels of one moment. It keeps its class token there.
"""

import argparse

import torch
from measure import best_seconds, machine, peak_mb, table

import soundstage.model
import soundstage.torch_extras  # noqa: F401  (makes torchvision importable)

# multiplications and additions of one clip: torchvision's own count, for its depth, widths and tokens
VIDEO_FLOPS = 2 * 64.224e9


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


def measured(build, options, backward, compiled):
    """Return (clips/s, peak MB) of one tower."""
    net = build().to(options.device).train(backward)
    batch = batch_for(build, options.clips).to(options.device)
    if compiled:
        net.compile(dynamic=False)
    lower = torch.autocast("cuda", torch.bfloat16, enabled=options.device == "cuda")

    def work():
        with torch.set_grad_enabled(backward), lower:
            result = net(batch)
            if backward:
                result.float().square().sum().backward()

    memory = peak_mb(work, options.device)  # also warms up
    seconds = best_seconds(work, options.repeats, options.device, warm=False)
    net.zero_grad(set_to_none=True)
    return len(batch) / seconds, memory


def matmul_peak(device):
    """Return the FLOP/s of one large matrix product, as the towers' arithmetic is done."""
    size = 8192 if device == "cuda" else 2048
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    one, other = torch.randn(2, size, size, device=device, dtype=kind)
    return 2 * size**3 / best_seconds(lambda: one @ other, 5, device)


def rows(options, peak):
    for name in options.towers:
        for work in options.work:
            for how in ("eager", "compiled")[: 1 + options.compiled]:
                builds = CASES[name]
                one, other = (measured(b, options, work == "forward+backward", how == "compiled") for b in builds)
                speeds = f"{one[0]:.2f}", f"{other[0]:.2f}", f"{one[0] / other[0]:.2f}"
                memory = f"{one[1]:.0f}", f"{other[1]:.0f}"
                work_flops = VIDEO_FLOPS * (3 if work == "forward+backward" else 1)
                shares = [f"{100 * found[0] * work_flops / peak:.0f} %" for found in (one, other)]
                shares = shares if name == "video" else ["-", "-"]
                yield f"{name}, {work}, {how}", *speeds, *memory, *shares


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments.add_argument("--clips", type=int, default=1, help="clips in a batch")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--compiled", action="store_true", help="also compile both; takes minutes")
    both = ("forward", "forward+backward")
    arguments.add_argument("--towers", nargs="+", default=("video", "audio"), choices=("video", "audio"))
    arguments.add_argument("--work", nargs="+", default=both, choices=both)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    machine(options.device)
    peak = matmul_peak(options.device)
    print(f"matrix product: {peak / 1e9:.0f} GFLOP/s; {options.clips} clip(s) in a batch\n")
    head = ["tower", "ours clips/s", "torchvision clips/s", "ratio", "ours MB", "torchvision MB"]
    table([*head, "ours of peak", "torchvision of peak"], rows(options, peak))


if __name__ == "__main__":
    main()
