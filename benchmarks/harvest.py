"""Time harvesting with full-size teachers against their own rate and against a loop over videos.

python benchmarks/harvest.py --work harvest-benchmark --videos 3 [--device cuda] [--repeats 1]

CLIP ViT-L/14 and CLAP (HTSAT-tiny with fusion, RoBERTa) get random weights of the published sizes, written
once into the work folder (1.2 GB); the time of a pass does not depend on the weights. The videos are of the
embedded corpus's LLP-like set. Three ways, each over the same videos: the models alone, on inputs that
lie ready; `soundstage.teachers.harvest`, from files to scores; and the plain loop, which decodes a
video, embeds its segments and the captions, and goes on to the next. On a CPU a video takes the better part of
a minute, so few are enough. `--shipped` measures the package's own small teachers instead.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from measure import machine, table

import soundstage.torch_extras  # noqa: F401 (transformers imports torchvision)
from soundstage.studio import llp, llp_plan
from soundstage.studio.container import write_video
from soundstage.studio.settings import Settings as Studio
from soundstage.teachers import captions, harvest, learn, prompts, sizes, videos
from soundstage.teachers.clap import Clap
from soundstage.teachers.clip import Clip
from soundstage.teachers.settings import Settings

ENDS = {"bos_token_id": sizes.BEGIN, "pad_token_id": sizes.PADDING, "eos_token_id": sizes.END}
CLIP_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_VISION = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
CLIP_VISION |= {"image_size": 224, "patch_size": 14}
FUSION = {"enable_fusion": True, "fusion_type": "aff_2d"}


def write_full_size(folder):
    """Write folders clip and clap of random weights in the published sizes, unless they are there."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, CLIPConfig, CLIPModel

    tokenizer = sizes.tokeniser(learn.written("seen", captions.words(), 0))
    torch.manual_seed(0)
    makers = {
        "clip": lambda: CLIPModel(
            CLIPConfig(text_config=CLIP_TEXT | ENDS, vision_config=CLIP_VISION, projection_dim=768)
        ),
        "clap": lambda: ClapModel(ClapConfig(text_config=ENDS, audio_config=FUSION)),
    }
    for name, make in makers.items():
        if not (folder / name / "config.json").is_file():
            tokenizer.save_pretrained(folder / name)
            ClapFeatureExtractor(frequency_min=50, truncation="fusion").save_pretrained(folder / name)
            make().half().save_pretrained(folder / name)


def write_videos(folder, count):
    """Write `count` videos of the LLP-like set; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = Studio().seed
    scenes = [llp_plan.scene(seed, "train", number) for number in range(count)]
    for scene in scenes:
        path = folder / f"{scene.filename[: llp.ID_LETTERS]}.mp4"
        if not path.is_file():
            write_video(path, *llp.take(scene, seed))
    return [scene.filename for scene in scenes]


def ready(found, teachers):
    """Return {modality: inputs of the model, on its device, a dict a batch} of several `Video`s."""
    clip, clap = teachers
    pictures = [clip.pixels(one) for video in found for one in video.segments["visual"]]
    sounds = [part for video in found for part in video.segments["audio"]]
    waves = np.stack([harvest_wave(one, clap.samples) for one in sounds])
    mels = clap.inputs(torch.from_numpy(waves).to(clap.device))
    size = clip.batch
    return {
        "visual": [{"pixel_values": part} for part in torch.stack(pictures).split(size)],
        "audio": [
            {key: value[start : start + size] for key, value in mels.items()} for start in range(0, len(sounds), size)
        ],
    }


def harvest_wave(samples, length):
    from soundstage.teachers.segments import quantised, repeat_padded

    return repeat_padded(quantised(samples), length)


@torch.inference_mode()
def models_alone(inputs, teachers):
    clip, clap = teachers
    for part in inputs["visual"]:
        clip.model.get_image_features(**part)
    for part in inputs["audio"]:
        clap.model.get_audio_features(**part)
    if clip.device.type == "cuda":
        torch.cuda.synchronize()


def loop(names, folder, teachers, asked, settings):
    """Score one video after the other, captions and all, as published scripts do."""
    for name in names:
        video = videos.read(folder, name, teachers[1].sample_rate_hz, settings.silence_db)
        for teacher in teachers:
            words = teacher.embed_captions(asked.prompts[teacher.modality])
            segments = teacher.embed_segments(video.segments[teacher.modality])
            teacher.scale * segments @ words.T


def seconds(work, repeats):
    """Return the least seconds by the clock of several calls."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for weights and videos, kept")
    parser.add_argument("--videos", type=int, default=3, help="how many videos")
    parser.add_argument("--repeats", type=int, default=1, help="the best of so many")
    parser.add_argument("--batch-segments", type=int, default=Settings().batch_segments)
    parser.add_argument("--precision", default="float32", help="of the weights")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the models on a CPU")
    parser.add_argument("--shipped", action="store_true", help="the package's small teachers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = Settings(precision=options.precision, batch_segments=options.batch_segments)
    if not options.shipped:
        write_full_size(options.work)
    names = write_videos(options.work / "videos", options.videos)
    places = ("shipped", "shipped") if options.shipped else (options.work / "clip", options.work / "clap")
    teachers = [cls(str(place), settings) for cls, place in zip((Clip, Clap), places, strict=True)]
    asked, folder = prompts.read(), options.work / "videos"
    found = [videos.read(folder, name, teachers[1].sample_rate_hz, settings.silence_db) for name in names]
    inputs = ready(found, teachers)
    device = teachers[0].device.type
    machine(device, f"By the clock, {len(names)} videos, {options.precision}, the best of {options.repeats}.")
    models_alone({key: parts[:1] for key, parts in inputs.items()}, teachers) if device == "cuda" else None
    times = {
        "models alone, inputs ready": seconds(lambda: models_alone(inputs, teachers), options.repeats),
        "harvest": seconds(lambda: harvest.harvest(names, folder, teachers, asked, settings), options.repeats),
        "one video at a time": seconds(lambda: loop(names, folder, teachers, asked, settings), options.repeats),
    }
    own = times["models alone, inputs ready"]
    rate = 60 * len(names)
    rows = [(way, f"{took:.1f}", f"{rate / took:.2f}", f"{100 * own / took:.0f} %") for way, took in times.items()]
    table(["way", "seconds", "videos a minute", "of the models' own rate"], rows)


if __name__ == "__main__":
    main()
