"""One pretraining step of the S towers at paper size on made-up clips: clips a second and where time goes.

python benchmarks/step.py --clips 2 --piece 1
python benchmarks/step.py --device cuda --clips 64 --compiled
"""

import argparse
import math

import torch
from measure import best_seconds, machine, peak_mb, table
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from soundstage.model.lssd_inputs import PAPER
from soundstage.model.settings import Model
from soundstage.pretrain.group import Group
from soundstage.pretrain.learner import Learner
from soundstage.pretrain.loop import Loop
from soundstage.pretrain.settings import Engine, Run, Settings


class Same:
    """A feed that gives the same batch again and again, so that only the step is measured."""

    def __init__(self, clips, device):
        audio = 20 * torch.randn(clips, 1, PAPER.mels, PAPER.mel_frames, device=device) - 30
        video = torch.rand(clips, 3, PAPER.frames, PAPER.crop_height, PAPER.crop_width, device=device)
        self.views = {"audio_p": audio, "audio_s": audio + 3, "video_p": video, "video_s": 1 - video}
        self.batch = clips

    def views_at(self, _step):
        """Return the batch."""
        return self.views


def backward_products(out, _sound, weight, *others, **_):
    """Return the FLOPs of a convolution's backward pass from shapes: torch's own count forgets the groups."""
    forward = 2 * math.prod(out) * math.prod(weight[1:])
    return forward * sum(others[-1][:2])  # the mask says which of the gradients of input and weight are asked for


class Nobody:
    """Records that are not kept."""

    label, history = "benchmark", ()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments.add_argument("--clips", type=int, default=2)
    arguments.add_argument("--piece", type=int, default=0, help="views embedded at a time; 0 = all at once")
    arguments.add_argument("--overlap", action="store_true", help="patches that overlap")
    arguments.add_argument("--recompute", action="store_true", help="keep only the blocks' inputs")
    arguments.add_argument("--compiled", action="store_true")
    arguments.add_argument("--repeats", type=int, default=2)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    machine(options.device)
    model = Model(towers="lssd_s", patch_overlap=options.overlap, recompute=options.recompute, inputs=PAPER)
    run = Run(views="dubs", lambda_video=0.2, lambda_audio=0.2)
    settings = Settings(model=model, run=run, engine=Engine(piece_clips=options.piece), batch_clips=options.clips)
    device = torch.device(options.device)
    student = Learner(settings).to(device)
    if options.compiled:
        for tower in student.backbone.values():
            tower.compile(dynamic=False)
    loop = Loop(student, Same(options.clips, device), Nobody(), settings, 0, Group(0, 1, device))
    report(loop, options)


def report(loop, options):
    """Print the speed, the memory and the costliest operators of a step."""
    work = lambda: loop.step(1)  # noqa: E731
    own = {torch.ops.aten.convolution_backward: backward_products}
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        work()
    seconds, memory = best_seconds(work, options.repeats, options.device), peak_mb(work, options.device)
    print(
        f"{options.clips} clips, two views each: {seconds:.2f} s a step, {options.clips / seconds:.2f} clips/s, "
        f"{counter.get_total_flops() / seconds / 1e9:.0f} GFLOP/s, {memory:.0f} MB\n"
    )
    cuda = options.device == "cuda"
    with profile(activities=[ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda) as profiler:
        work()
    cost = (lambda event: event.self_device_time_total) if cuda else (lambda event: event.self_cpu_time_total)
    events = sorted(profiler.key_averages(), key=cost, reverse=True)
    total = sum(map(cost, events))
    table(["operator", "share of the step"], [(e.key, f"{100 * cost(e) / total:.0f} %") for e in events[:8]])


if __name__ == "__main__":
    main()
