"""The embedded corpus's own CLIP and CLAP: captions, material, training, and what is shipped."""

import json

import numpy as np
import pytest
import torch

from soundstage.errors import UserError
from soundstage.files import sha256
from soundstage.parse.classes import AVE, LLP
from soundstage.studio import ave_classes
from soundstage.studio.names import LOCATIONS
from soundstage.teachers import captions, learn, material, prompts, sizes, weights
from soundstage.teachers.clap import Clap
from soundstage.teachers.clip import Clip
from soundstage.teachers.settings import Settings
from soundstage.units import rng_of

KNOWN = captions.words()


def test_there_are_words_for_every_class_and_place():
    assert set(LLP) <= set(KNOWN["classes"]) and {ave_classes.thing(name) for name in AVE} <= set(KNOWN["classes"])
    assert set(KNOWN["places"]) == set(LOCATIONS)
    entries = [*KNOWN["classes"].values(), *KNOWN["places"].values()]
    assert all(entry["seen"] and entry["heard"] for entry in entries)


def test_a_caption_speaks_of_what_is_there_in_one_sense_alone():
    rng, names = rng_of("captions"), list(KNOWN["classes"])
    for number in range(300):
        there, place = rng.choice(names, number % 4, replace=False), str(rng.choice(LOCATIONS))
        for sense in ("seen", "heard"):
            said = captions.caption(there, place, sense, rng, KNOWN)
            left = said.text
            about = KNOWN["places"][place]
            phrases = [*about[sense], about.get("where") if sense == "seen" else ""]
            phrases += [phrase for name in there for phrase in KNOWN["classes"][name][sense]]
            for phrase in sorted(filter(None, phrases), key=len, reverse=True):
                left = left.replace(phrase, "")
            for words in ("A photo of|A picture of|This is a sound of|The sound of|and|next to|with|over").split("|"):
                left = left.replace(words, "")
            assert not left.strip(" ."), said.text
            assert said.names and said.names <= {*there, place}


def test_a_caption_holds_where_all_that_it_mentions_is():
    said = [captions.Caption("", frozenset(names)) for names in (["Dog"], ["Dog", "rain"], ["Cat"])]
    found = captions.holds(said, [{"Dog", "rain"}, {"Dog", "Cat", "night"}])
    assert found == [[True, True, False], [True, False, True]]


def test_without_others_true_captions_the_loss_is_that_of_clip():
    torch.manual_seed(0)
    scores = torch.randn(5, 5)
    own = torch.eye(5, dtype=torch.bool)
    plain = [torch.nn.functional.cross_entropy(one, torch.arange(5)) for one in (scores, scores.T)]
    assert torch.isclose(learn.contrast(scores, scores.T, own), sum(plain) / 2)
    two = own.clone()
    two[0, 1] = True
    logs = [one.log_softmax(1) for one in (scores, scores.T)]
    rows = -(logs[0].diagonal().sum() - logs[0][0, 0] / 2 + logs[0][0, 1] / 2) / 5
    columns = -(logs[1].diagonal().sum() - logs[1][1, 1] / 2 + logs[1][1, 0] / 2) / 5
    assert torch.isclose(learn.contrast(scores, scores.T, two), (rows + columns) / 2)


def test_mixing_mels_is_mixing_waves():
    rng = np.random.default_rng(0)
    mels = material.Mels(sizes.extractor())
    waves = torch.from_numpy(0.05 * rng.standard_normal((2, mels.samples)).astype(np.float32))
    added = mels.power(waves[:1]) + mels.power(waves[1:])
    assert torch.allclose(added.mean(1), mels.power(waves.sum(0)[None]).mean(1), rtol=0.35)
    assert mels(torch.zeros(1, mels.samples)).unique().tolist() == [-100.0]


def test_an_equaliser_of_equal_points_moves_every_band_alike():
    curves = material.band_curves(material.Mels(sizes.extractor()))
    assert curves.shape == (64, len(material.EQUALISER_HZ)) and np.allclose(curves.sum(1), 1)
    assert (curves[0] > 0).sum() <= 2 and curves[0].argmax() <= 1 and curves[-1].argmax() >= 3


SMALL = learn.Training(pictures=30, steps=4, batch=6, warmup_steps=1, valid_steps=2, valid_examples=30)


def trained(tmp_path, name, stop=None):
    """Return the weights of a training that was stopped after `stop` steps and then went on."""
    for steps in filter(None, (stop, SMALL.steps)):
        learner = learn.Learner("visual", SMALL)
        if steps < SMALL.steps:
            for step in range(steps):
                learner.step(step)
            learn.checkpoint.save(tmp_path / name, learner._fingerprint(), learner._state(steps))
        else:
            learner.train(tmp_path / name, tmp_path / f"{name}.jsonl")
    return learner


def test_a_training_goes_on_to_the_same_weights(tmp_path):
    whole, resumed = trained(tmp_path, "whole"), trained(tmp_path, "resumed", stop=2)
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True))
    assert [json.loads(line)["step"] for line in whole.log] == [2, 4]
    other = learn.Learner("visual", learn.dataclasses.replace(SMALL, batch=5))
    with pytest.raises(UserError, match="batch was 6, now 5"):
        other.train(tmp_path / "whole", tmp_path / "x.jsonl")
    sizes.save(whole.model, whole.tokenizer, tmp_path / "clip", "visual")
    teacher = Clip(str(tmp_path / "clip"), Settings())
    words = teacher.embed_captions(["A photo of a dog.", "A photo of a vaccum cleaner."])
    assert words.shape == (2, 64) and abs(words[0] @ words[1]) < 0.9999, "any text can be written"


def test_a_batch_is_captioned_and_in_the_models_form():
    pictures = material.Pictures(8, 5, KNOWN)
    inputs, said, there = pictures.batch(4, rng_of(1))
    assert inputs["pixel_values"].shape == (4, 3, 48, 48) and len(said) == len(there) == 4
    again = pictures.batch(4, rng_of(1))
    assert again[1] == said and torch.equal(again[0]["pixel_values"], inputs["pixel_values"])
    frame, names, _ = material.picture(rng_of("teachers picture", 5, 0), list(KNOWN["classes"]))
    teacher = Clip("shipped", Settings())
    stored = material.normalised(torch.from_numpy(pictures.pixels[:1]).permute(0, 3, 1, 2).float() / 255)
    assert (stored[0] - teacher.pixels(frame)).abs().max() < 0.02 and pictures.shown[0][0] == names


@pytest.mark.parametrize(("name", "cls"), [("clip", "CLIPModel"), ("clap", "ClapModel")])
def test_the_shipped_folders_are_those_of_transformers(name, cls):
    import transformers

    folder = weights.SHIPPED / name
    model = getattr(transformers, cls).from_pretrained(folder)
    assert {tensor.dtype for tensor in model.state_dict().values() if tensor.is_floating_point()} == {torch.float16}
    file = folder / "model.safetensors"
    assert file.stat().st_size < 3_000_000 and sha256(file) in (folder / "MODEL_CARD.md").read_text()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer("a vaccum cleaner")["input_ids"]
    assert tokenizer.decode(tokens, skip_special_tokens=True).strip() == "a vaccum cleaner"
    if name == "clap":
        assert transformers.ClapFeatureExtractor.from_pretrained(folder).hop_length == 1920
        assert Clap("shipped", Settings()).feature_map(np.zeros(480_000, np.float32)).shape == (64, 96)


def told_percent(teacher, segments, names, asked):
    """Return how many segments score highest with the published prompt of their class, percent."""
    scores = teacher.embed_segments(segments) @ teacher.embed_captions(asked.prompts[teacher.modality]).T
    return 100 * float(np.mean(scores.argmax(1) == [asked.classes.index(name) for name in names]))


def test_the_shipped_teachers_tell_what_they_have_not_seen():
    asked = prompts.read()
    pictures, sounds = [], []
    for number, name in enumerate(LLP * 2):
        rng = rng_of("held out of the teachers' training", number)
        place = str(rng.choice(LOCATIONS))
        envelope = material.motion.rhythm(name, 13, 25, rng)
        actor = material.look.actor_of(name, envelope, 25, material.SIZE, rng)
        pictures.append(material.look.shot_of(place, 13, material.SIZE, rng, [actor]).frame(12))
        sounds.append(material.sound.event(name, 3.0, rng)[48_000:96_000])
    names = LLP * 2
    assert told_percent(Clip("shipped", Settings()), pictures, names, asked) > 25, "measured 34, by chance 4"
    assert told_percent(Clap("shipped", Settings()), sounds, names, asked) > 16, "measured 22, by chance 4"
