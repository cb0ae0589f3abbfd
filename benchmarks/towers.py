"""The S towers against torchvision's MViTv2-S, in one process: clips a second, memory, share of the peak.

    python benchmarks/towers.py --repeats 3
    python benchmarks/towers.py --device cuda --clips 16 --compiled

Patch overlap is on, so that both have as many tokens. torchvision has no tower for spectrograms: for
the audio row its MViT is built for 96 x 288 with kernels of one moment. It keeps its class token there.
"""

import argparse

import torch
from measure import best_seconds, machine, peak_mb, table
from torch.utils.flop_counter import FlopCounterMode

import soundstage.model
import soundstage.torch_extras  # noqa: F401  (makes torchvision importable)


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


def cases(clips, device):
    ours = soundstage.model.lssd_towers("S", patch_overlap=True)
    video = torch.rand(clips, 3, 16, 224, 224, device=device)
    audio = 20 * torch.randn(clips, 1, 96, 288, device=device) - 30
    yield "video", (ours["video"], video), (theirs_video(), video)
    yield "audio", (ours["audio"], audio), (theirs_audio(), audio[:, :, None])


def measured(net, batch, options, backward):
    """Return (clips/s, peak MB, FLOP/s) of one tower."""
    net = net.to(options.device).train(backward)
    lower = torch.autocast("cuda", torch.bfloat16, enabled=options.device == "cuda")

    def work():
        with torch.set_grad_enabled(backward), lower:
            result = net(batch)
            if backward:
                result.float().square().sum().backward()

    with FlopCounterMode(display=False) as counter, lower:
        result = net(batch)
        if backward:
            result.float().square().sum().backward()
    del result
    net.zero_grad(set_to_none=True)
    seconds = best_seconds(work, options.repeats, options.device)
    net.zero_grad(set_to_none=True)
    return len(batch) / seconds, peak_mb(work, options.device), counter.get_total_flops() / seconds


def matmul_peak(device):
    """Return the FLOP/s of one large matrix product, as the towers' arithmetic is done."""
    size = 8192 if device == "cuda" else 2048
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    one, other = torch.randn(2, size, size, device=device, dtype=kind)
    return 2 * size**3 / best_seconds(lambda: one @ other, 5, device)


def rows(options, peak):
    for name, (ours, our_batch), (theirs, their_batch) in cases(options.clips, options.device):
        for work in options.work:
            backward = work == "forward+backward"
            found = {}
            for who, net, batch in (("ours", ours, our_batch), ("torchvision", theirs, their_batch)):
                found[who, "eager"] = measured(net, batch, options, backward)
                if options.compiled:
                    net.compile(dynamic=False)
                    found[who, "compiled"] = measured(net, batch, options, backward)
            for how in ("eager", "compiled")[: 1 + options.compiled]:
                one, other = found["ours", how], found["torchvision", how]
                speeds = f"{one[0]:.2f}", f"{other[0]:.2f}", f"{one[0] / other[0]:.2f}"
                memory = f"{one[1]:.0f}", f"{other[1]:.0f}"
                shares = f"{100 * one[2] / peak:.0f} %", f"{100 * other[2] / peak:.0f} %"
                yield f"{name}, {work}, {how}", *speeds, *memory, *shares


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments.add_argument("--clips", type=int, default=1, help="clips in a batch")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--compiled", action="store_true", help="also compile both; takes minutes")
    both = ("forward", "forward+backward")
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
