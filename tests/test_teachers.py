"""Teachers: prompts, segments, tiny random CLIP and CLAP, harvesting, and the rules of labels."""

import contextlib
import importlib
import io
import json
import sys

import numpy as np
import pandas
import pytest
import torch

import soundstage.torch_extras  # noqa: F401 (transformers imports torchvision)
from soundstage import media
from soundstage.errors import UserError
from soundstage.files import read_json
from soundstage.parse import store
from soundstage.parse.classes import LLP
from soundstage.teachers import backbones, harvest, label, prompts, provided, rules, segments, videos
from soundstage.teachers.clap import Clap
from soundstage.teachers.clip import Clip
from soundstage.teachers.settings import Settings


def tokenizer(folder):
    """Save a tokeniser of whole words, without a download; return (words, begin, end, padding)."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    asked = prompts.read()
    words = sorted({w for key in asked.prompts for text in asked.prompts[key] for w in _words(text)})
    names = {word: number for number, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *words])}
    made = Tokenizer(models.WordLevel(names, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    return len(names)


def _words(text):
    from tokenizers import pre_tokenizers

    return [word for word, _ in pre_tokenizers.Whitespace().pre_tokenize_str(text)]


TEXT = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXT |= {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    """A tiny CLIP with random weights, saved as transformers saves it."""
    from transformers import CLIPConfig, CLIPModel

    folder = tmp_path_factory.mktemp("clip")
    words = tokenizer(folder)
    torch.manual_seed(0)
    vision = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=TEXT | {"vocab_size": words, "max_position_embeddings": 32},
        vision_config=vision | {"image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(folder)
    statistics = {"image_processor_type": "CLIPImageProcessor", "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(statistics))
    return folder


@pytest.fixture(scope="session", params=["plain", "fused"])
def clap_folder(request, tmp_path_factory):
    """A tiny CLAP with random weights, plain or fused."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    folder = tmp_path_factory.mktemp(f"clap-{request.param}")
    words = tokenizer(folder)
    torch.manual_seed(1)
    fused = request.param == "fused"
    audio = {"patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 16}
    audio |= {"num_hidden_layers": 2, "enable_fusion": fused, "aff_block_r": 2}
    audio |= {"fusion_type": "aff_2d"} if fused else {}
    config = ClapConfig(
        text_config=TEXT | {"vocab_size": words, "max_position_embeddings": 40},
        audio_config=audio,
        projection_dim=8,
    )
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(frequency_min=50, truncation="fusion" if fused else "rand_trunc").save_pretrained(folder)
    return folder


def test_prompts_and_thresholds_are_the_published_ones():
    asked = prompts.read()
    assert asked.classes == LLP and all(len(asked.prompts[key]) == 25 for key in ("audio", "visual"))
    seen = asked.prompts["visual"]
    assert seen[14] == "A photo of a vaccum cleaner." and seen[20] == "A photo of a acoustic guiter."
    assert asked.prompts["audio"][12] == "This is a sound of chicken, rooster"
    assert asked.prompts["audio"][5] == "This is a sound of frying (food)"
    seen, heard = (" ".join(f"{value:g}" for value in asked.thresholds[key]) for key in ("visual", "audio"))
    assert seen == "20 15 18 14 15 18 18 15 15 15 15 18 15 15 15 15 15 15 15 16 14 15 15 15 18"
    assert heard == "0 0 1 4 6 -2 4 4 2 2 2 1 2 3 0 2 2 2 0 2 -1 2 3 3 0"


def test_prompts_of_other_classes_are_refused(tmp_path):
    about = read_json(prompts.PUBLISHED)
    about["audio"]["thresholds"].pop()
    (tmp_path / "p.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match="audio: expected 25"):
        prompts.read(tmp_path / "p.json")
    with pytest.raises(UserError, match="classes are others"):
        prompts.read(prompts.PUBLISHED, LLP[::-1])


def test_frames_and_sounds_are_chosen_as_published():
    assert segments.chosen_frames(80).tolist() == [0, 9, 18, 26, 35, 44, 53, 61, 70, 79]
    assert segments.chosen_frames(1).tolist() == [0] * 10
    samples = np.arange(478_567, dtype=np.float32)
    parts, starts = segments.audio_segments(samples)
    assert {len(part) for part in parts} == {47_856} and starts[0] == 0
    assert starts.tolist() == [round(478_567 / 10 * n) for n in range(10)]
    assert all(part[0] == start for part, start in zip(parts, starts, strict=True))


def test_sounds_are_quantised_repeated_and_padded():
    assert segments.quantised(np.float32([0.5, -0.5, 2.0, 1e-5])).tolist() == pytest.approx(
        [16383 / 32767, -16383 / 32767, 1.0, 0.0]
    )
    padded = segments.repeat_padded(np.float32([1, 2, 3]), 11)
    assert padded.tolist() == [1, 2, 3, 1, 2, 3, 1, 2, 3, 0, 0]
    assert segments.repeat_padded(np.arange(1.0, 6.0), 4).tolist() == [1, 2, 3, 4]
    assert segments.stretched(np.arange(5), 9).tolist() == [0, 0, 1, 2, 2, 2, 3, 4, 4]


def test_odd_lengths_are_put_into_words():
    assert segments.odd_length(10.0) == "" and segments.odd_length(9.99) == ""
    assert segments.odd_length(8.4) == "short: 8.40 s" and segments.odd_length(9.97) == "short: 9.97 s"


def noise(count, samples=48_000):
    rng = np.random.default_rng(0)
    return [(0.1 * rng.standard_normal(samples + 100 * n)).astype(np.float32) for n in range(count)]


def test_mels_are_those_of_the_feature_extractor(clap_folder):
    teacher = Clap(clap_folder, Settings())
    sounds = noise(2)
    waves = np.stack([segments.repeat_padded(one, teacher.samples) for one in sounds])
    found = teacher.log_mel(torch.from_numpy(waves)).numpy()
    expected = teacher.extractor(sounds, sampling_rate=48_000, return_tensors="np")["input_features"]
    assert found.shape == (2, 1001, 64) and np.abs(found - expected[:, 0]).max() < 2e-3


def test_scores_of_sounds_do_not_depend_on_their_batch(clap_folder):
    sounds = noise(5)
    together = Clap(clap_folder, Settings(batch_segments=5)).embed_segments(sounds)
    alone = Clap(clap_folder, Settings(batch_segments=1))
    apart = np.concatenate([alone.embed_segments([one]) for one in sounds])
    assert np.abs(together - apart).max() < 1e-5 and np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-5
    inputs = alone.inputs(torch.zeros(3, alone.samples))
    assert not inputs["is_longer"].any() and inputs["input_features"].shape[1] == (4 if alone.fused else 1)


def test_audio_scores_equal_the_models_own(clap_folder):
    teacher = Clap(clap_folder, Settings())
    captions = prompts.read().prompts["audio"][:4]
    sounds = noise(2)
    scores = teacher.scale * teacher.embed_segments(sounds) @ teacher.embed_captions(captions).T
    waves = torch.from_numpy(
        np.stack([segments.repeat_padded(segments.quantised(one), teacher.samples) for one in sounds])
    )
    with torch.no_grad():
        output = teacher.model(**teacher.captions(captions), **teacher.inputs(waves))
    assert np.abs(scores - output.logits_per_audio.numpy()).max() < 1e-4


def test_the_feature_map_has_the_last_tokens(clap_folder):
    teacher = Clap(clap_folder, Settings())
    found = teacher.feature_map(noise(1, 100_000)[0])
    assert found.ndim == 2 and found.shape[1] == 16 and np.isfinite(found).all()


def test_visual_scores_equal_the_models_own_and_squeeze_the_picture(clip_folder):
    teacher = Clip(clip_folder, Settings(batch_segments=2))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (24 + 8 * n, 40, 3), np.uint8) for n in range(5)]
    captions = prompts.read().prompts["visual"]
    scores = teacher.scale * teacher.embed_segments(pictures) @ teacher.embed_captions(captions).T
    pixels = torch.stack([teacher.pixels(one) for one in pictures])
    with torch.no_grad():
        output = teacher.model(**teacher.captions(captions), pixel_values=pixels)
    assert scores.shape == (5, 25) and np.abs(scores - output.logits_per_image.numpy()).max() < 1e-4
    white = teacher.pixels(np.full((7, 9, 3), 255, np.uint8))
    assert torch.allclose(white[:, 0, 0], torch.tensor([3.0, 2.5, 2.0]), atol=1e-5)
    two = np.repeat(np.uint8([0, 255])[None, :, None], 2, axis=0).repeat(3, axis=2)
    row = teacher.pixels(two)[0, 0] * 0.2 + 0.4
    assert row[0] == pytest.approx(0) and row[-1] == pytest.approx(1), "nothing is cropped"
    apart = np.concatenate([teacher.embed_segments([one]) for one in pictures])
    assert np.abs(apart @ teacher.embed_captions(captions).T * teacher.scale - scores).max() < 1e-4


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot read a CLIPModel"):
        Clip(str(tmp_path), Settings())
    with pytest.raises(UserError, match="expected KIND=MODEL"):
        harvest.load("clop=x", "audio", Settings())
    with pytest.raises(UserError, match="no audio teacher"):
        harvest.load("clip=x", "audio", Settings())


def made_video(path, seconds=10.0, loudness=0.1, picture=True, sound=True):
    """Write a small video: grey that brightens, and noise."""
    flac = path.with_suffix(".flac")
    samples = loudness * np.random.default_rng(1).standard_normal(int(48_000 * seconds))
    media.write_flac(flac, np.clip(samples, -1, 1))
    if picture:
        frames = [np.full((48, 64, 3), min(255, 5 * n), np.uint8) for n in range(int(8 * seconds))]
        media.encode(path, frames, (64, 48), 8, [(flac, {"c": "aac"})] if sound else ())
    else:
        media.encode_audio(path, flac, {"c": "aac"})
    flac.unlink()


NAMES = ["goodvideo00_0_10", "shortvideo0_0_10", "silent_vid0_0_10", "mutevideo00_0_10", "brokenvid00_3_13"]
NAMES += ["lostvideo00_0_10"]


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """A folder of videos with their faults, and annotations that name them."""
    folder = tmp_path_factory.mktemp("videos")
    made_video(folder / "goodvideo00.mp4")
    made_video(folder / "shortvideo0_0_10.mp4", 8.25)
    made_video(folder / "silent_vid0.mp4", loudness=0.0)
    made_video(folder / "mutevideo00.mp4", sound=False)
    (folder / "brokenvid00.mp4").write_bytes(b"no video" * 100)
    lines = [f"{name}\tDog,Speech" for name in NAMES]
    (folder / "AVVP_test_pd.csv").write_text("\n".join(["filename\tevent_labels", *lines]) + "\n")
    dense = "filename\tonset\toffset\tevent_labels\ngoodvideo00_0_10\t2\t6\tDog\n"
    for name in ("audio", "visual"):
        (folder / f"AVVP_eval_{name}.csv").write_text(dense)
    return folder


@pytest.fixture(scope="session")
def harvested(library, clip_folder, clap_folder, tmp_path_factory):
    """The two shards of the library, scored by the command line."""
    folder = tmp_path_factory.mktemp("harvested")
    teachers = ["--visual", f"clip={clip_folder}", "--audio", f"clap={clap_folder}"]
    for shard in range(2):
        flags = ["--annotations", library, "--videos", library, "--shard", shard, "--shards", 2]
        module("harvest", *flags, *teachers, "--out", folder / f"{shard}.parquet")
    return folder


def module(name, *arguments):
    """Run a command of the stage in this process; return what it said on stderr."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        importlib.import_module(f"soundstage.teachers.{name}").main()
    return said.getvalue()


def test_harvest_scores_what_is_there_and_says_what_is_not(harvested):
    said = {e["filename"]: e for n in range(2) for e in read_json(harvested / f"{n}.json")}
    assert list(said) == NAMES[::2] + NAMES[1::2]
    assert said[NAMES[0]] == {"filename": NAMES[0], "reason": "", "flags": []}
    assert said[NAMES[1]]["flags"] == ["picture short: 8.25 s", "sound short: 8.26 s"], "AAC fills its last frame"
    assert said[NAMES[2]]["flags"] == ["silent"] and said[NAMES[3]]["flags"] == ["no sound"]
    assert said[NAMES[4]]["reason"].startswith("unreadable") and said[NAMES[5]]["reason"] == "missing"
    table = pandas.concat([pandas.read_parquet(harvested / f"{n}.parquet") for n in range(2)])
    counts = table.groupby(["filename", "modality"]).size().to_dict()
    assert counts == {(NAMES[n], m): 10 for n, m in [(0, "audio"), (0, "visual"), (1, "audio")]} | {
        (NAMES[n], "visual"): 10 for n in (1, 2, 3)
    }
    good = table[(table["filename"] == NAMES[0]) & (table["modality"] == "visual")]
    assert good["seconds"].tolist() == pytest.approx(segments.chosen_frames(80) / 8)
    assert {len(row) for row in table["scores"]} == {25} and {len(row) for row in table["embedding"]} == {8}


def test_scores_do_not_depend_on_the_videos_beside(library, clip_folder, clap_folder, harvested):
    teachers = [Clip(clip_folder, Settings(batch_segments=10)), Clap(clap_folder, Settings(batch_segments=10))]
    _, table = harvest.harvest(NAMES[:2], library, teachers, prompts.read(), Settings(batch_segments=10))
    mine = table.to_pandas().set_index(["filename", "modality", "segment"])["scores"]
    shards = [pandas.read_parquet(harvested / f"{n}.parquet") for n in range(2)]
    other = pandas.concat(shards).set_index(["filename", "modality", "segment"])["scores"]
    assert max(np.abs(mine[key] - other[key]).max() for key in mine.index) < 1e-4


def test_labels_from_scores_by_the_command_line(library, harvested, tmp_path):
    about = read_json(prompts.PUBLISHED)
    about["audio"]["thresholds"] = about["visual"]["thresholds"] = [-200.0] * 25
    (tmp_path / "low.json").write_text(json.dumps(about))
    scores = [harvested / f"{n}.parquet" for n in range(2)]
    flags = ["--scores", *scores, "--annotations", library, "--split", "test"]
    module("label", *flags, "--thresholds", tmp_path / "low.json", "--out", tmp_path / "l.npz")
    found = store.load_labels(tmp_path / "l.npz")
    assert found.filenames == tuple(NAMES[:4])
    assert {entry["filename"]: entry["reason"][:7] for entry in found.dropped} == {
        NAMES[4]: "unreada",
        NAMES[5]: "missing",
    }
    chosen = [LLP.index("Speech"), LLP.index("Dog")]
    assert found.visual.sum() == 4 * 10 * 2 and found.visual[:, :, chosen].all()
    assert found.audio[:2][:, :, chosen].all() and not found.audio[2:].any(), "what has no sound is not heard"
    module("label", *flags, "--calibrate", tmp_path / "ours.json")
    ours = read_json(tmp_path / "ours.json")
    assert "ours" in ours["note"] and ours["audio"]["prompts"] == about["audio"]["prompts"]
    cat = LLP.index("Cat")
    assert ours["visual"]["thresholds"][cat] == read_json(prompts.PUBLISHED)["visual"]["thresholds"][cat]
    module("label", *flags, "--thresholds", tmp_path / "ours.json", "--out", tmp_path / "m.npz", "--soft")
    soft = store.load_labels(tmp_path / "m.npz").visual
    assert ((soft >= 0) & (soft <= 1)).all() and not soft[:, :, cat].any() and 0 < soft[0, 0, chosen[1]] < 1


WEAK = np.array([[True, False]])


def test_a_label_is_above_the_threshold_and_in_the_weak_label():
    scores = np.float32([[[2.0, 9.0], [2.1, 9.0], [np.nan, np.nan]]])
    assert rules.binary(scores, np.float32([2.0, 0.0]), WEAK).tolist() == [[[0, 0], [1, 0], [0, 0]]]


def test_soft_labels_pass_one_half_at_the_threshold():
    scores = np.float32([[[2.0, 9.0], [4.0, 9.0], [np.nan, 1.0]]])
    found = rules.soft(scores, np.float32([2.0, 0.0]), WEAK, temperature=2.0)
    assert found[0, :, 0].tolist() == pytest.approx([0.5, 1 / (1 + np.exp(-1)), 0.0]) and not found[0, :, 1].any()


def best_f1(scores, weak, truth):
    """Return the best F1 over every possible threshold, by trying them."""
    values = np.unique(scores)
    best = 0.0
    for threshold in [values[0] - 1, *values]:
        predicted = (scores > threshold) & weak[:, None]
        hits = (predicted & truth).sum()
        best = max(best, 2 * hits / max(predicted.sum() + truth.sum(), 1))
    return best


@pytest.mark.parametrize("seed", range(5))
def test_calibrated_thresholds_have_the_best_f1(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 12, (9, 10, 3)).astype(np.float32) / 4
    weak = rng.random((9, 3)) < 0.7
    truth = (scores + rng.normal(0, 0.6, scores.shape) > 1.5) & (weak[:, None] | (rng.random((9, 1, 3)) < 0.2))
    truth[:, :, 2] = False
    found = rules.calibrated(scores, weak, truth, np.float32([7, 7, 7]))
    assert found[2] == 7, "a class that never occurs keeps its threshold"
    for c in range(2):
        predicted = rules.binary(scores, found, weak)[:, :, c] > 0
        f1 = 2 * (predicted & truth[:, :, c]).sum() / (predicted.sum() + truth[:, :, c].sum())
        assert f1 == pytest.approx(best_f1(scores[:, :, c], weak[:, c], truth[:, :, c]))


def test_fused_labels_are_one_for_both_streams():
    audio, visual = np.float32([[[3.0], [3.0], [0.0], [0.0]]]), np.float32([[[9.0], [0.0], [9.0], [0.0]]])
    thresholds, weak = {"audio": np.float32([1.0]), "visual": np.float32([4.0])}, np.array([[True]])
    made = {how: rules.fused(audio, visual, thresholds, weak, how)[0, :, 0].tolist() for how in rules.FUSIONS}
    assert made["and"] == [1, 0, 0, 0] and made["or"] == [1, 1, 1, 0]
    a, v = (np.float32([2, 2, -1, -1]) / 1.5, np.float32([5, -4, 5, -4]) / 4.5)
    assert made["mean"] == [float(x + y > 0) for x, y in zip(a, v, strict=True)]
    assert not rules.fused(audio, visual, thresholds, np.array([[False]]), "or").any()


def test_provided_labels_are_taken_as_they_are(tmp_path):
    names = ("abcdefghijk_0_10", "bbcdefghijk_0_10", "cbcdefghijk_0_10", "dbcdefghijk_0_10")
    for number, (key, value) in enumerate((("audio", 1), ("visual", 0))):
        (tmp_path / key).mkdir()
        for name in names[: 4 - number]:
            np.save(tmp_path / key / f"{name[:11]}.npy", np.full((10, 25), value, np.int64))
    np.save(tmp_path / "audio" / "bbcdefghijk.npy", np.full((10, 25), 2))
    np.save(tmp_path / "audio" / "cbcdefghijk.npy", np.zeros((25, 10)))
    found = provided.gather(names, {key: tmp_path / key for key in ("audio", "visual")})
    assert found.filenames == names[:1] and found.audio.all() and not found.visual.any()
    assert [entry["reason"] for entry in found.dropped] == [
        "audio: outside 0 to 1",
        "audio: misshapen",
        "visual: missing",
    ]


def test_a_real_clip_goes_through_the_whole_chain(shared, clip_folder, clap_folder, tmp_path):
    name = "BjCEufrlXm4_20_30"
    found = videos.read(shared / "media/llp", name, 48_000, -80.0)
    assert not found.reason and set(found.segments) == {"visual", "audio"}
    assert found.segments["visual"][0].shape == (240, 320, 3)
    assert {len(part) for part in found.segments["audio"]} <= set(range(47_900, 48_200))
    flags = ["--annotations", shared / "llp", "--videos", shared / "media/llp", "--shards", 11_849]
    teachers = ["--visual", f"clip={clip_folder}", "--audio", f"clap={clap_folder}"]
    module("harvest", *flags, *teachers, "--out", tmp_path / "0.parquet")
    names, scores, dropped = label.read_scores([tmp_path / "0.parquet"], [name])
    assert names == (name,) and not dropped and np.isfinite(scores["audio"]).all()
    flags = ["--scores", tmp_path / "0.parquet", "--annotations", shared / "llp", "--split", "train"]
    module("label", *flags, "--out", tmp_path / "labels.npz")
    labels = store.load_labels(tmp_path / "labels.npz")
    outside = [c for c in range(25) if LLP[c] not in ("Speech", "Dog")]
    assert labels.filenames == (name,) and not labels.audio[:, :, outside].any()
    assert len(labels.dropped) == 9_999


def slow_mel(samples):
    """Return (frames, 64) of VGGish's log-mel, frame by frame and band by band."""

    def to_mel(hz):
        return 1127 * np.log(1 + hz / 700)

    points = np.linspace(to_mel(125.0), to_mel(7500.0), 66)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    rows = []
    for start in range(0, len(samples) - 399, 160):
        spectrum = np.abs(np.fft.rfft(samples[start : start + 400] * window, 512))
        row = np.zeros(64)
        for band in range(64):
            low, centre, high = points[band : band + 3]
            for place in range(1, 257):
                mel = to_mel(place * 16000 / 512)
                row[band] += spectrum[place] * max(0, min((mel - low) / (centre - low), (high - mel) / (high - centre)))
        rows.append(np.log(row + 0.01))
    return np.array(rows)


def test_vggish_reads_log_mel_examples_of_096_seconds():
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(16_000)).astype(np.float32)
    found = backbones.vggish_examples(samples)
    assert found.shape == (1, 96, 64) and np.abs(found[0] - slow_mel(samples)[:96]).max() < 1e-4
    assert backbones.vggish_examples(np.zeros(160_000)).shape == (10, 96, 64)
    assert backbones.vggish_examples(np.zeros(100)).shape == (1, 96, 64)


def random_weights(path, net):
    """Save a network's random weights as a state dict; return (path, the network in evaluation mode)."""
    torch.save(net.state_dict(), path)
    return path, net.eval()


def test_standard_features_are_what_the_last_layers_read(tmp_path, monkeypatch):
    from torchvision.models.video import r2plus1d_18

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (24, 32, 3), np.uint8) for _ in range(79)]
    monkeypatch.setattr(backbones.R2Plus1D, "size", 16)
    path, net = random_weights(tmp_path / "r2plus1d.pt", r2plus1d_18(weights=None))
    found = backbones.R2Plus1D(path).features(pictures)
    tensor = backbones.prepared(pictures, 16, backbones.R2Plus1D.mean, backbones.R2Plus1D.deviation)
    with torch.no_grad():
        expected = net(tensor[8:16].transpose(0, 1)[None])
        again = net.fc(torch.from_numpy(found[1:2]))
    assert found.shape == (10, 512) and torch.allclose(expected, again, atol=1e-4)
    white = backbones.prepared([np.full((5, 7, 3), 255, np.uint8)], 4, (0.5,) * 3, (0.25,) * 3)
    assert white.shape == (80, 3, 4, 4) and torch.allclose(white, torch.tensor(2.0))
    with pytest.raises(UserError, match="not those of ResNet"):
        backbones.ResNet(path)
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(UserError, match="expected a state dict"):
        backbones.Vggish(tmp_path / "list.pt")


def test_standard_features_have_their_shapes(tmp_path, monkeypatch):
    from torchvision.models import resnet152

    torch.manual_seed(0)
    monkeypatch.setattr(backbones.ResNet, "size", 32)
    state = resnet152(weights=None).state_dict()
    torch.save({key.replace("fc.", "last_linear."): value for key, value in state.items()}, tmp_path / "resnet.pt")
    pictures = [np.full((8, 8, 3), 3 * n, np.uint8) for n in range(80)]
    found = backbones.ResNet(tmp_path / "resnet.pt").features(pictures)
    assert found.shape == (80, 2048) and np.isfinite(found).all() and (found >= 0).all()
    path, net = random_weights(tmp_path / "vggish.pt", backbones.VggishNet())
    samples = 0.1 * np.random.default_rng(0).standard_normal(160_000)
    found = backbones.Vggish(path).features(samples)
    with torch.no_grad():
        third = net(torch.from_numpy(backbones.vggish_examples(samples)[2])[None, None])[0]
    assert found.shape == (10, 128) and np.abs(found[2] - third.numpy()).max() < 1e-4


def test_features_of_videos_by_the_command_line(library, clip_folder, tmp_path):
    flags = ["--annotations", library, "--videos", library, "--kind", "clip", "--weights", clip_folder]
    said = module("features", *flags, "--out-folder", tmp_path)
    assert {path.stem for path in (tmp_path / "clip").iterdir()} == {name[:11] for name in NAMES[:4]}
    good = np.load(tmp_path / "clip" / f"{NAMES[0][:11]}.npy")
    assert good.shape == (10, 8) and np.abs(np.linalg.norm(good, axis=1) - 1).max() < 1e-5
    assert NAMES[4] in said and "(missing): " + NAMES[5] in said
    (tmp_path / "clip" / f"{NAMES[0][:11]}.npy").write_bytes(b"kept")
    module("features", *flags, "--out-folder", tmp_path)
    assert (tmp_path / "clip" / f"{NAMES[0][:11]}.npy").read_bytes() == b"kept"
