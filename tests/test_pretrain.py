"""Stage 6: the objective, the arms, the training and its resume."""

import dataclasses
import io
import json
import math
import os
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import torch

from soundstage.errors import UserError
from soundstage.media import encode_clip, flac_bytes
from soundstage.model.inputs import log_mel
from soundstage.model.settings import Inputs, Model
from soundstage.pretrain import augment, checkpoint, learner, loop, prepare, retrieval, sampler, train
from soundstage.pretrain.clips import load_clips
from soundstage.pretrain.feed import Feed
from soundstage.pretrain.group import Group
from soundstage.pretrain.objective import contrast, objective
from soundstage.pretrain.settings import VIEWS, Engine, Run, Settings
from soundstage.settings import dumps, load

TINY = Model(
    audio_width=4,
    video_width=4,
    tubelet_frames=2,
    inputs=Inputs(
        mels=16,
        mel_frames=16,
        frames=4,
        resize_height=20,
        resize_width=22,
        crop_height=16,
        crop_width=16,
    ),
)
QUICK = Settings(
    model=TINY,
    steps=240,
    batch_clips=8,
    film_clips=3,
    minimum_dub_clips=10,
    hidden_dim=16,
    projection_dim=8,
    mask_mels=0,
    mask_frames=0,
    greyscale_share=0.0,
    recolour_share=0.0,
    checkpoint_steps=20,
    warmup_steps=5,
)
LANGUAGES = ("de", "en", "fr")


def unit(seed, count=6, dim=5, dtype=torch.float64):
    vectors = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return torch.nn.functional.normalize(vectors, dim=1)


def slow_contrast(x, y, scale):
    """Symmetric InfoNCE, one clip at a time, in double precision."""
    total = 0.0
    for one, other in ((x, y), (y, x)):
        for i in range(len(one)):
            likeness = [scale * sum(a * b for a, b in zip(one[i], row, strict=True)) for row in other]
            total += math.log(sum(math.exp(value) for value in likeness)) - likeness[i]
    return total / (2 * len(x))


def test_contrast_equals_a_slow_reference():
    x, y = unit(0), unit(1)
    for scale in (1.0, 14.3, 100.0):
        slow = slow_contrast(x.tolist(), y.tolist(), scale)
        assert abs(contrast(x, y, scale).item() - slow) < 1e-10
        assert abs(contrast(x.float(), y.float(), scale).item() - slow) < 1e-4


def test_contrast_is_symmetric_and_does_not_depend_on_the_order_of_clips():
    x, y = unit(0), unit(1)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert torch.isclose(contrast(x, y, 9.0), contrast(y, x, 9.0))
    assert torch.isclose(contrast(x, y, 9.0), contrast(x[order], y[order], 9.0))


def test_contrast_has_its_closed_form_values():
    same = torch.ones(7, 1, dtype=torch.float64)
    assert abs(contrast(same, same, 20.0).item() - math.log(7)) < 1e-12
    axes = torch.eye(7, dtype=torch.float64)
    assert abs(contrast(axes, axes, 3.0).item() - math.log(1 + 6 * math.exp(-3))) < 1e-12


def test_contrast_has_the_right_gradient():
    x, y = unit(0).requires_grad_(), unit(1).requires_grad_()
    scale = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(contrast, (x, y, scale))


def test_the_objective_is_the_four_weighted_terms():
    names = ("audio_p", "audio_s", "video_p", "video_s")
    views = {name: unit(seed) for seed, name in enumerate(names)}
    total, terms = objective(views, 4.0, 0.2, 0.3)
    expected = slow_contrast(views["video_s"].tolist(), views["audio_p"].tolist(), 4.0)
    expected += slow_contrast(views["video_p"].tolist(), views["audio_s"].tolist(), 4.0)
    expected += 0.2 * slow_contrast(views["video_p"].tolist(), views["video_s"].tolist(), 4.0)
    expected += 0.3 * slow_contrast(views["audio_p"].tolist(), views["audio_s"].tolist(), 4.0)
    assert abs(total.item() - expected) < 1e-10 and len(terms) == 4
    cross, terms = objective(views, 4.0, 0.0, 0.0)
    assert set(terms) == {"video_s_audio_p", "video_p_audio_s"}
    assert torch.isclose(cross, sum(terms.values()))
    swapped = {
        "audio_p": views["audio_s"],
        "audio_s": views["audio_p"],
        "video_p": views["video_s"],
        "video_s": views["video_p"],
    }
    assert torch.isclose(objective(swapped, 4.0, 0.2, 0.3)[0], total)


def windows(films=6, per_film=20):
    film = np.repeat([f"film-{n}" for n in range(films)], per_film)
    start = np.tile(np.arange(per_film) * 1.5, films)
    return film, start, start + 3


def test_batches_hold_no_overlapping_windows_and_few_of_a_film():
    film, start, end = windows()
    order = sampler.schedule(film, start, end, 200, 12, 3, 6, seed=5)
    assert order.shape == (200, 12)
    for batch in order:
        assert len(set(batch)) == 12
        assert np.unique(film[batch], return_counts=True)[1].max() <= 3
        for one in batch:
            for other in batch:
                apart = film[one] != film[other] or abs(start[one] - start[other]) >= 3
                assert one == other or apart


def test_every_clip_is_seen_about_equally_often_in_an_order_of_the_seed():
    film, start, end = windows()
    order = sampler.schedule(film, start, end, 200, 12, 3, 6, seed=5)
    times = np.bincount(order.ravel(), minlength=len(film))
    assert times.min() >= 17 and times.max() <= 23
    assert np.array_equal(order, sampler.schedule(film, start, end, 200, 12, 3, 6, seed=5))
    assert not np.array_equal(order, sampler.schedule(film, start, end, 200, 12, 3, 6, seed=6))


def test_batches_can_be_filled_from_few_films():
    film, start, end = windows(films=12, per_film=20)
    few = sampler.schedule(film, start, end, 60, 15, 6, 3, seed=5)
    many = sampler.schedule(film, start, end, 60, 15, 6, 12, seed=5)
    met = [np.mean([len(set(film[batch])) for batch in order]) for order in (few, many)]
    assert met[0] < 6 < 8 < met[1]
    assert np.ptp(np.bincount(few.ravel(), minlength=len(film))) <= 3


def test_a_film_with_most_of_the_clips_does_not_stop_the_others():
    film, start, end = windows(films=4, per_film=5)
    film = np.concatenate([film, np.repeat("long", 400)])
    start = np.concatenate([start, np.arange(400) * 1.5])
    size = sampler.batch_size(film, start, start + 3, 80, 3)
    assert size == 11
    order = sampler.schedule(film, start, start + 3, 150, size, 3, 9, seed=1)
    assert order.shape == (150, 11)
    assert np.bincount(order.ravel(), minlength=len(film))[:20].min() > 20


def test_a_small_corpus_makes_smaller_batches_or_is_refused():
    film, start, end = windows(films=3, per_film=5)
    size = sampler.batch_size(film, start, end, 80, 8)
    assert size == 6
    assert sampler.schedule(film, start, end, 50, size, 8, 2, seed=0).shape == (50, 6)
    with pytest.raises(UserError, match="too few"):
        sampler.batch_size(film[:1], start[:1], end[:1], 80, 8)


def test_languages_are_balanced_and_different():
    generator = np.random.default_rng(0)
    present = np.zeros((900, 4), bool)
    present[:, 0] = True  # in every clip
    present[:, 1] = generator.random(900) < 0.8
    present[:, 2] = generator.random(900) < 0.5
    present[:, 3] = ~present[:, 1:3].any(1) | (generator.random(900) < 0.4)
    weights = sampler.language_weights(present)
    draws = [sampler.two_languages(present, weights, generator) for _ in range(20)]
    for first, second in draws:
        assert (first != second).all()
        assert present[np.arange(900), first].all() and present[np.arange(900), second].all()
    use = np.bincount(np.array(draws).ravel(), minlength=4) / (900 * 20)
    assert np.abs(use - 0.5).max() < 0.03
    plain = [sampler.two_languages(present, np.ones(4), generator) for _ in range(20)]
    assert np.ptp(np.bincount(np.array(plain).ravel(), minlength=4)) > 0.2 * 900 * 20
    with pytest.raises(ValueError, match="two languages"):
        sampler.two_languages(np.array([[True, False]]), np.ones(2), generator)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Six made-up films whose sound and picture share a hidden class; no need of media."""
    folder = tmp_path_factory.mktemp("inputs")
    shape, seen = TINY.inputs, np.random.default_rng(0)
    heard_of = seen.normal(0, 9, (12, shape.mels, 1))
    seen_of = seen.integers(40, 200, (12, 1, 1, 3))
    for number, split in enumerate(["train"] * 4 + ["valid", "test"]):
        rng = np.random.default_rng([1, number])
        kinds = rng.integers(0, 12, 20)
        speech, sounds = np.full((20, 3), -1, np.int32), []
        nospeech = np.zeros(20, np.int32)
        for clip, kind in enumerate(kinds):
            bed = heard_of[kind] - 40 + rng.normal(0, 2, (shape.mels, shape.mel_frames))
            for language in (0, 1, 2) if clip % 4 else (1,):
                speech[clip, language] = len(sounds)
                sounds.append(bed + rng.normal(0, 3, bed.shape))
            nospeech[clip] = len(sounds)
            sounds.append(bed)
        noise = rng.normal(0, 20, (20, shape.frames, shape.resize_height, shape.resize_width, 3))
        about = {
            "film": f"film-{number}",
            "split": split,
            "original_language": "en",
            "languages": LANGUAGES,
            "inputs": dataclasses.asdict(shape),
        }
        start = np.arange(20) * 1.5
        np.savez(
            folder / f"film-{number}.npz",
            about=np.array(json.dumps(about)),
            start_seconds=start,
            end_seconds=start + 3,
            speech=speech,
            nospeech=nospeech,
            sounds=np.array(sounds, np.float16),
            pictures=np.clip(seen_of[kinds][:, None] + noise, 0, 255).astype(np.uint8),
        )
    return sorted(folder.glob("*.npz"))


def arm(**run):
    return dataclasses.replace(QUICK, run=Run(**run))


@pytest.fixture(scope="module")
def remixes(inputs, tmp_path_factory):
    """A folder with a remix of every film: another sound for each clip, written from the last clip to the first."""
    folder = tmp_path_factory.mktemp("remix")
    shape = TINY.inputs
    for number, path in enumerate(inputs):
        starts = np.load(path)["start_seconds"][::-1]
        level = -100.0 - number - starts / 100
        sounds = np.broadcast_to(level[:, None, None], (len(starts), shape.mels, shape.mel_frames))
        about = json.dumps({"film": f"film-{number}", "inputs": dataclasses.asdict(shape)})
        np.savez(folder / path.name, about=np.array(about), start_seconds=starts, sounds=sounds.astype(np.float16))
    return folder


def feed_of(inputs, settings=QUICK, seed=0, remixes=None):
    remixed = [remixes / path.name for path in inputs] if remixes else ()
    corpus = load_clips(inputs, settings.model.inputs, remixed)
    return Feed(corpus.rows(np.flatnonzero(corpus.split == "train")), settings, seed)


def test_clips_of_several_films_keep_their_sounds(inputs):
    whole, alone = load_clips(inputs, TINY.inputs), load_clips(inputs[3:4], TINY.inputs)
    assert len(whole) == 120 and len(alone) == 20
    mine = np.flatnonzero(whole.film == "film-3")
    assert np.array_equal(whole.sounds[whole.original[mine]], alone.sounds[alone.original])
    assert np.array_equal(whole.sounds[whole.nospeech[mine]], alone.sounds[alone.nospeech])
    assert np.array_equal(whole.has_dub()[mine], np.arange(20) % 4 > 0)
    with pytest.raises(UserError, match=r"other settings of model\.inputs"):
        load_clips(inputs, Inputs())


def test_all_arms_share_clips_order_and_random_changes(inputs, remixes):
    feeds = {views: feed_of(inputs, arm(views=views), 3, remixes) for views in VIEWS}
    assert len(feeds["original"].clips) == 60  # those with a dub
    for step in (0, 7):
        views = {name: feed.views_at(step) for name, feed in feeds.items()}
        for name in ("video_p", "video_s"):
            assert torch.equal(views["dubs"][name], views["original"][name])
            assert torch.equal(views["speech_removed"][name], views["original"][name])
            assert torch.equal(views["remix"][name], views["original"][name])
        rows = {name: feed.order[step] for name, feed in feeds.items()}
        assert all(np.array_equal(rows["original"], other) for other in rows.values())
        clips = feeds["original"].clips
        plain = torch.from_numpy(clips.sounds[clips.original[rows["original"]]].astype(np.float32))
        bed = torch.from_numpy(clips.sounds[clips.nospeech[rows["original"]]].astype(np.float32))
        assert torch.equal(views["remix"]["audio_p"], views["original"]["audio_p"])
        added = views["original"]["audio_p"][:, 0] - plain
        same = views["speech_removed"]["audio_p"][:, 0] - bed
        assert torch.allclose(added, same, atol=1e-4)
    assert not torch.equal(views["original"]["audio_p"], views["original"]["audio_s"])


def test_the_views_of_every_arm_are_of_the_right_language(inputs, remixes):
    draw = lambda: np.random.default_rng(0)  # noqa: E731
    feeds = {views: feed_of(inputs, arm(views=views), 0, remixes) for views in VIEWS}
    chosen = feeds["dubs"].order[0]
    clips = feeds["dubs"].clips
    first, second = feeds["original"].sounds(chosen, draw())
    assert np.array_equal(first, clips.original[chosen]) and np.array_equal(first, second)
    first, second = feeds["speech_removed"].sounds(chosen, draw())
    assert np.array_equal(first, clips.nospeech[chosen]) and np.array_equal(first, second)
    first, second = feeds["dubs"].sounds(chosen, draw())
    assert (first != second).all()
    for row, one, other in zip(clips.speech[chosen], first, second, strict=True):
        assert one in row and other in row


def test_too_few_dubs_are_said_and_originals_used(inputs, capsys):
    settings = dataclasses.replace(arm(views="dubs"), minimum_dub_clips=61)
    feed = feed_of(inputs, settings)
    assert "60 training clips have a dub" in capsys.readouterr().err
    assert len(feed.clips) == 80 and feed.views == "original"
    first, _ = feed.sounds(feed.order[0], np.random.default_rng(0))
    assert np.array_equal(first, feed.clips.original[feed.order[0]])


def test_the_second_view_of_a_remix_is_the_same_clip_of_another_track(inputs, remixes):
    feed = feed_of(inputs, arm(views="remix"), 0, remixes)
    chosen, clips = feed.order[0], feed.clips
    first, second = feed.sounds(chosen, np.random.default_rng(0))
    assert np.array_equal(first, clips.original[chosen])
    films = np.array([int(name[-1]) for name in clips.film[chosen]])
    level = clips.sounds[second][:, 0, 0].astype(float)
    assert np.allclose(level, -100.0 - films - clips.start_seconds[chosen] / 100, atol=0.05)
    with pytest.raises(UserError, match="60 of 60 training clips lack the sound in another mix"):
        feed_of(inputs, arm(views="remix"))


def test_fewer_dubs_are_part_of_more_and_of_the_same_film_alike():
    present = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1]], bool)
    original, film = np.array([1, 1, 1, 1, 2]), np.array(["a", "a", "a", "a", "b"])
    orders = np.stack([sampler.film_order(name, 4, 0) for name in film])
    kept = {most: sampler.limited(present, original, orders, most) for most in (0, 1, 2, 9)}
    assert np.array_equal(kept[0], present) and np.array_equal(kept[9], present)
    for most in (1, 2):
        assert np.array_equal(kept[most].sum(1), np.minimum(present.sum(1), most + 1))
        assert kept[most][np.arange(5), original].all()
        assert not (kept[most] & ~present).any() and not (kept[1] & ~kept[most]).any()
        assert np.array_equal(kept[most][0], kept[most][1])
    drawn = {tuple(sampler.film_order(f"film-{n}", 4, 0)) for n in range(20)}
    assert len(drawn) > 5


def test_pairings_let_the_right_tracks_meet():
    rng = np.random.default_rng(0)
    present = rng.random((300, 4)) < 0.6
    original = np.arange(300) % 4
    present[np.arange(300), original] = present[np.arange(300), (original + 1) % 4] = True
    rows, weights = np.arange(300), np.ones(4)
    pair = lambda kind: sampler.paired_languages(present, original, weights, rng, kind)  # noqa: E731
    one, other = pair("original_and_dub")
    assert np.array_equal(one, original) and (other != original).all() and present[rows, other].all()
    one, other = pair("same_language")
    assert np.array_equal(one, other) and present[rows, one].all() and (one != original).any()
    one, other = pair("two_languages")
    assert (one != other).all() and present[rows, one].all() and present[rows, other].all()
    assert (one != original).any() and (other != original).any()


def test_one_dub_is_heard_all_the_time(inputs):
    feed = feed_of(inputs, arm(views="dubs", most_dubs=1))
    heard = [set() for _ in range(len(feed.clips))]
    for step, chosen in enumerate(feed.order):
        pair = feed.sounds(chosen, np.random.default_rng(step))
        for clip, *rows in zip(chosen, *pair, strict=True):
            heard[clip] |= {int(np.flatnonzero(feed.clips.speech[clip] == row)[0]) for row in rows}
    assert {len(languages) for languages in heard if languages} == {2}
    of_film = {name: set() for name in feed.clips.film}
    for name, languages in zip(feed.clips.film, heard, strict=True):
        of_film[name] |= languages
    assert all(len(languages) == 2 for languages in of_film.values())


def test_speech_removed_needs_its_sounds(inputs):
    corpus = load_clips(inputs, TINY.inputs)
    corpus.nospeech[5] = -1
    with pytest.raises(UserError, match="1 of 90 training clips lack"):
        Feed(corpus, arm(views="speech_removed"), 0)


def test_audio_views_change_level_and_colour_alone():
    sound = np.random.default_rng(0).normal(-40, 10, (3, 64, 96)).astype(np.float16)
    clear = dataclasses.replace(Settings(), mask_mels=0, mask_frames=0)
    view = augment.audio_view(sound, clear, np.random.default_rng(1))
    added = view[:, 0].numpy() - sound.astype(np.float32)
    assert view.shape == (3, 1, 64, 96) and view.dtype == torch.float32
    assert np.abs(added - added[:, :, :1]).max() < 1e-4  # the same at every moment
    assert np.abs(np.diff(added[:, :, 0], axis=1)).max() < 3  # smooth over the bands
    assert np.abs(added[0] - added[1]).max() > 0.5
    still = dataclasses.replace(clear, gain_db=0.0, equaliser_db=0.0)
    same = augment.audio_view(sound, still, np.random.default_rng(1))
    assert np.array_equal(same[:, 0].numpy(), sound.astype(np.float32))


def test_audio_views_may_lack_some_bands_and_moments():
    sound = np.random.default_rng(0).normal(-40, 10, (200, 64, 96)).astype(np.float16)
    still = dataclasses.replace(Settings(), gain_db=0.0, equaliser_db=0.0)
    settings = dataclasses.replace(still, mask_mels=5, mask_frames=9)
    view = augment.audio_view(sound, settings, np.random.default_rng(1))[:, 0].numpy()
    blank = np.abs(view - sound.astype(np.float32).mean((1, 2), keepdims=True)) < 1e-3
    bands, moments = blank.all(2).sum(1), blank.all(1).sum(1)
    assert bands.max() == 5 and bands.min() == 0 and moments.max() == 9 and moments.min() == 0
    assert np.array_equal(view[~blank], sound.astype(np.float32)[~blank])
    places = blank.all(2).argmax(1)[bands > 0]
    assert places.min() == 0 and places.max() >= 58


def test_video_views_are_cuts_of_the_picture():
    number = np.arange(44 * 78, dtype=np.uint16).reshape(44, 78)
    picture = np.stack([number % 256, number // 256, number * 0], -1).astype(np.uint8)
    pictures = np.broadcast_to(picture, (16, 8, 44, 78, 3))
    plain = dict.fromkeys(("brightness", "contrast", "greyscale_share", "recolour_share"), 0.0)
    still = dataclasses.replace(Settings(), **plain)
    view = augment.video_view(pictures, still, np.random.default_rng(0))
    assert view.shape == (16, 3, 8, 40, 72)
    found = (view * 255).round().long()
    found = found[:, 0] + 256 * found[:, 1]
    steps = {int(step) for clip in found for step in clip[0, 0].diff().unique()}
    assert steps == {1, -1}  # both sides occur
    assert torch.equal(found[:, 0], found[:, 7])  # one cut for all frames of a clip
    assert len({int(clip.min()) for clip in found[:, 0]}) > 4
    grey = dataclasses.replace(Settings(), greyscale_share=1.0)
    view = augment.video_view(pictures, grey, np.random.default_rng(0))
    assert torch.equal(view[:, 0], view[:, 1]) and torch.equal(view[:, 0], view[:, 2])
    shuffled = dataclasses.replace(still, recolour_share=1.0)
    other = (augment.video_view(pictures, shuffled, np.random.default_rng(0)) * 255).round().long()
    assert other.flatten(2).amax(2).sort(1).values[:, 0].max() == 0  # one channel is still empty
    assert len({tuple(clip) for clip in (other.flatten(2).amax(2) > 0).tolist()}) == 3


def test_recall_is_right_on_known_rankings():
    found = retrieval.recall(np.eye(40), np.eye(40))
    assert found["clips"] == 40 and found["chance_at_10_percent"] == 25.0
    assert found["audio_to_video_recall_at_1_percent"] == 100.0
    collapsed = retrieval.recall(np.ones((40, 3)), np.ones((40, 3)))
    assert collapsed["audio_to_video_recall_at_10_percent"] == 0.0
    turned = retrieval.recall(np.eye(40), np.roll(np.eye(40), 1, 0) + 0.5 * np.eye(40))
    assert turned["video_to_audio_recall_at_1_percent"] == 0.0
    assert turned["video_to_audio_recall_at_10_percent"] == 100.0


def test_held_out_windows_do_not_overlap(inputs):
    corpus = load_clips(inputs, TINY.inputs)
    chosen = retrieval.held_out(corpus)
    assert [len(chosen[name]) for name in ("valid", "test", "held_out")] == [10, 10, 20]
    assert set(corpus.split[chosen["valid"]]) == {"valid"}
    start = corpus.start_seconds[chosen["valid"]]
    assert (np.diff(start) >= 3).all()


def test_the_rate_warms_up_and_ends_near_zero():
    rates = [loop.learning_rate(step, QUICK) for step in range(QUICK.steps)]
    assert rates[0] == QUICK.learning_rate / 5 and max(rates) == rates[4] == QUICK.learning_rate
    assert all(a >= b for a, b in zip(rates[5:], rates[6:], strict=False))
    assert rates[-1] < 1e-3 * QUICK.learning_rate


def test_biases_norms_and_temperature_do_not_decay(inputs):
    student = learner.initial(QUICK, 0, feed_of(inputs).plain_batches(1))
    decayed, free = learner.parameter_groups(student, 0.05)
    assert decayed["weight_decay"] == 0.05 and free["weight_decay"] == 0.0
    assert all(p.ndim >= 2 for p in decayed["params"])
    assert any(p is student.log_scale for p in free["params"])
    count = len(decayed["params"]) + len(free["params"])
    assert count == len(list(student.parameters()))


def test_similarities_are_those_of_the_table_for_few_clips_of_many():
    embedded = {"audio_p": unit(0, 40).float(), "video_s": unit(1, 40).float()}
    same, other = learner.similarities(embedded)
    table = embedded["video_s"] @ embedded["audio_p"].T
    diagonal = torch.eye(40, dtype=torch.bool)
    assert torch.equal(same, table[diagonal]) and torch.equal(other, table[~diagonal])
    same, other = learner.similarities({name: unit(0, 3000).float() for name in embedded})
    assert 256 < len(same) <= 512 and len(other) == len(same) * (len(same) - 1)
    same, other = learner.similarities({name: vectors[:1] for name, vectors in embedded.items()})
    assert len(same) == 1 and len(other) == 0


def test_similarities_are_computed_only_where_they_are_recorded(inputs, tmp_path, monkeypatch):
    counted, plain = [], learner.similarities
    monkeypatch.setattr(learner, "similarities", lambda embedded: counted.append(1) or plain(embedded))
    run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=dataclasses.replace(QUICK, steps=7, log_steps=3))
    assert len(counted) == 3  # after the steps 3, 6 and 7
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all("similarity_other_clip" in line for line in lines[:3])


def test_a_share_of_one_clip_has_no_similarities_of_different_clips(inputs):
    student = learner.initial(QUICK, 0, feed_of(inputs).plain_batches(1))
    training = loop.Loop(student, None, None, QUICK, 0, Group(0, 1, torch.device("cpu")))
    found = training.seen(10, {name: unit(0, 1) for name in ("audio_p", "audio_s", "video_p", "video_s")})
    assert set(found) == {"similarity_same_clip"} and training.seen(9, {}) == {}


@pytest.mark.parametrize("beyond", [0.99, 1.01])
def test_a_temperature_at_its_limit_can_rise_again(beyond):
    student = learner.Learner(QUICK)
    student.log_scale.data.fill_(math.log(beyond * 100))
    optimizer = torch.optim.AdamW([student.log_scale], lr=4e-3, weight_decay=0)
    hard = {name: unit(seed, 64, 16) for seed, name in enumerate(("audio_p", "audio_s", "video_p", "video_s"))}
    for _ in range(50):
        optimizer.zero_grad()
        objective(hard, student.scale(), 0, 0)[0].backward()
        optimizer.step()
        student.limit_temperature()
        assert 1 / student.scale().item() > 0.01 - 1e-6
    assert 1 / student.scale().item() > 0.011


def test_the_temperature_stays_at_its_limit_while_it_wants_to_fall(inputs, tmp_path, monkeypatch):
    warm = dataclasses.replace(QUICK, steps=12, log_steps=1, temperature=1.0, temperature_minimum=0.999)
    run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=warm)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    found = [line["temperature"] for line in lines[:-1]]
    assert min(found) == pytest.approx(0.999) and found.count(min(found)) > 1


def command(inputs, out, settings=QUICK, run="dubs", seed=0, more=()):
    return [
        "--inputs", *map(str, inputs), "--run", run, "--seed", str(seed), "--out", str(out),
        "--settings", dumps(settings), *more,
    ]  # fmt: skip


def run_train(monkeypatch, *arguments, **options):
    monkeypatch.setattr(sys, "argv", ["train", *command(*arguments, **options)])
    train.main()


def start_train(*arguments, threads="1", **options):
    module = [sys.executable, "-m", "soundstage.pretrain.train", *command(*arguments, **options)]
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    return subprocess.Popen(module, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


@pytest.fixture(scope="module")
def trained(inputs, tmp_path_factory):
    """A training of the arm `dubs` that nothing interrupts."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        run_train(patch, inputs, folder / "model.pt", settings=arm(views="dubs", lambda_audio=0.2))
    return folder


def test_a_trained_arm_finds_sound_and_picture_of_held_out_clips(trained):
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [*range(10, 241, 10), 240]
    assert lines[-2]["loss"] < 0.8 * lines[0]["loss"]
    assert {"loss_audio_audio", "temperature", "gradient_norm", "learning_rate"} <= set(lines[0])
    found = lines[-1]["retrieval"]["held_out"]["original"]
    assert found["clips"] == 20
    assert found["audio_to_video_recall_at_1_percent"] >= 3 * found["chance_at_1_percent"]
    assert found["video_to_audio_recall_at_1_percent"] >= 3 * found["chance_at_1_percent"]
    assert json.loads((trained / "retrieval.json").read_text()) == lines[-1]["retrieval"]
    assert list((trained / "tensorboard").iterdir()) and not (trained / "checkpoint").exists()


def test_the_model_file_holds_the_towers_and_loads_without_pickles(trained):
    file = torch.load(trained / "model.pt", weights_only=True)
    assert file["run"] == "dubs" and file["seed"] == 0
    settings = load(Settings, file["settings"])
    assert settings.run.lambda_audio == 0.2 and settings.model == TINY
    names = set(learner.Learner(settings).state_dict()) - {"log_scale"}
    assert set(file["model"]) == names
    assert {tuple(name.split(".")[:2]) for name in names} == {
        (part, tower) for part in ("backbone", "heads") for tower in ("audio", "video")
    }


def test_kill_and_resume_equals_the_uninterrupted_training(inputs, trained, tmp_path):
    settings = arm(views="dubs", lambda_audio=0.2)
    process = start_train(inputs, tmp_path / "model.pt", settings=settings)
    wait_for(tmp_path / "checkpoint" / checkpoint.FILE, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "model.pt").exists()
    process = start_train(inputs, tmp_path / "model.pt", settings=settings, threads="2")
    assert "goes on from the checkpoint after step" in process.communicate()[1]
    for name in ("model.pt", "metrics.jsonl", "retrieval.json"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes(), name


def test_sigterm_saves_and_the_rest_is_the_same(inputs, trained, tmp_path, monkeypatch):
    settings = dataclasses.replace(arm(views="dubs", lambda_audio=0.2))
    process = start_train(inputs, tmp_path / "model.pt", settings=settings)
    wait_for(tmp_path / "checkpoint" / checkpoint.FILE, process)
    process.send_signal(signal.SIGTERM)
    error = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM and "saved after step" in error
    run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=settings)
    assert (tmp_path / "model.pt").read_bytes() == (trained / "model.pt").read_bytes()


def test_a_user_signal_before_the_first_step_and_after_the_last_does_not_end_it(inputs, tmp_path, monkeypatch):
    signals = []

    def signalled(function):
        def wrapped(*arguments, **options):
            os.kill(os.getpid(), signal.SIGUSR1)
            signals.append(function.__name__)
            return function(*arguments, **options)

        return wrapped

    before = signal.getsignal(signal.SIGUSR1)
    monkeypatch.setattr(train, "join", signalled(train.join))
    monkeypatch.setattr(train, "evaluate", signalled(train.evaluate))
    try:
        run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=dataclasses.replace(QUICK, steps=2))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert signals == ["join", "evaluate"] and (tmp_path / "model.pt").exists()


def test_a_foreign_checkpoint_is_refused_with_the_reason(inputs, tmp_path, monkeypatch):
    folder = tmp_path / "checkpoint"
    settings = dataclasses.replace(QUICK, steps=3)
    other = {"settings": {**dataclasses.asdict(settings), "learning_rate": 0.5}, "code": "0"}
    checkpoint.save(folder, other, {"step": 2})
    with pytest.raises(UserError) as refused:
        run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=settings)
    text = str(refused.value)
    assert "settings.learning_rate was 0.5, now 0.004" in text and "code was '0'" in text
    assert str(folder) in text and "--fresh" in text
    run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=settings, more=["--fresh"])
    assert (tmp_path / "model.pt").exists()
    folder.mkdir()
    (folder / checkpoint.FILE).write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="cannot read the checkpoint"):
        run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=settings)


def test_a_checkpoint_of_a_gpu_is_read_onto_the_cpu(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        checkpoint.save(tmp_path, {"a": 1}, {"weight": torch.ones(2)})
    assert checkpoint.load(tmp_path, {"a": 1})["weight"].device.type == "cpu"


def test_a_training_on_another_kind_of_device_is_another_training(inputs, tmp_path, monkeypatch):
    mark = train.fingerprint

    def on_a_gpu(options, group):
        return mark(options, dataclasses.replace(group, device=torch.device("cuda")))

    settings = dataclasses.replace(QUICK, steps=3, engine=Engine(device="auto"))
    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(train, "fingerprint", on_a_gpu)
        patch.setattr(train, "evaluate", interrupted)
        run_train(patch, inputs, tmp_path / "model.pt", settings=settings)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="device was 'cuda', now 'cpu'"):
            run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=settings)


def interrupted(*_):
    raise InterruptedError


def events_of(folder):
    """Return ({tag: steps} of histograms, {tag: steps} of numbers) as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"histograms": 0, "scalars": 0}).Reload()
    histograms = {tag: [event.step for event in found.Histograms(tag)] for tag in found.Tags()["histograms"]}
    return histograms, {tag: [event.step for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_speed_and_histograms_are_there_for_every_line_and_survive_a_resume(inputs, tmp_path, monkeypatch):
    settings = dataclasses.replace(QUICK, steps=40, log_steps=5, checkpoint_steps=20)
    step = loop.Loop.step

    def dies(self, number):
        if number == 32:
            os._exit(9)  # like SIGKILL: nothing is flushed
        return step(self, number)

    if os.fork() == 0:
        monkeypatch.setattr(loop.Loop, "step", dies)
        run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=settings)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 9
    with open(tmp_path / "speed.jsonl", "a") as file:
        file.write('{"step": 35, "clips')  # as a killed training may leave it
    run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=settings)
    expected = list(range(5, 41, 5))
    lines = [json.loads(line) for line in (tmp_path / "speed.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == expected
    assert all(line["clips_per_second"] > 0 and line["memory_mb"] > 10 for line in lines)
    assert all(0 <= line["data_wait_percent"] <= 100 for line in lines)
    histograms, numbers = events_of(tmp_path / "tensorboard")
    assert set(histograms) == {"similarity_same_clip", "similarity_other_clip"}
    shown = {**histograms, **{tag: numbers[tag] for tag in ("clips_per_second", "data_wait_percent", "loss")}}
    assert all(steps == expected for steps in shown.values()), shown


def test_a_training_that_begins_anew_keeps_no_records(inputs, tmp_path, monkeypatch):
    (tmp_path / "tensorboard").mkdir()
    for name in ("speed.jsonl", "tensorboard/old"):
        (tmp_path / name).write_text('{"step": 1}\n')
    settings = dataclasses.replace(QUICK, steps=4, log_steps=2)
    run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=settings)
    assert len((tmp_path / "speed.jsonl").read_text().splitlines()) == 2
    assert not (tmp_path / "tensorboard/old").exists()
    assert events_of(tmp_path / "tensorboard")[1]["loss"] == [2, 4]


def test_too_many_processes_for_a_batch_are_refused(inputs):
    corpus = load_clips(inputs, TINY.inputs)
    share = Group(0, 3, torch.device("cpu"))
    assert Feed(corpus, dataclasses.replace(QUICK, batch_clips=4), 0, share).batch == 3
    with pytest.raises(UserError, match="batches of 2 clips cannot be shared by 3 processes"):
        Feed(corpus, dataclasses.replace(QUICK, batch_clips=2), 0, share)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    tmp_path.joinpath("checkpoint").mkdir()
    torch.save({"fingerprint": Evil()}, tmp_path / "checkpoint" / checkpoint.FILE)
    with pytest.raises(UserError, match="cannot read the checkpoint"):
        checkpoint.load(tmp_path / "checkpoint", {})
    assert not (tmp_path / "ran").exists()


def test_random_init_is_where_all_arms_of_a_seed_begin(inputs, tmp_path, monkeypatch):
    for views in ("original", "dubs"):
        out = tmp_path / views / "model.pt"
        run_train(monkeypatch, inputs, out, settings=arm(views=views, train=False), run="x")
    models = [torch.load(tmp_path / v / "model.pt", weights_only=True) for v in ("original", "dubs")]
    start = learner.initial(QUICK, 0, feed_of(inputs).plain_batches(4)).backbone.state_dict()
    for name, value in start.items():
        assert torch.equal(models[0]["model"][f"backbone.{name}"], value)
        assert torch.equal(models[1]["model"][f"backbone.{name}"], value)
    assert abs(float(start["audio.norm.running_mean"]) + 40) < 5
    other = learner.initial(QUICK, 1, feed_of(inputs).plain_batches(4)).backbone.state_dict()
    assert not torch.equal(start["audio.stem.0.weight"], other["audio.stem.0.weight"])


def test_not_a_number_and_collapse_stop_the_training(inputs, tmp_path, monkeypatch):
    strict = dataclasses.replace(QUICK, collapse_variance=1.5)
    with pytest.raises(UserError, match="all embeddings have become the same"):
        run_train(monkeypatch, inputs, tmp_path / "model.pt", settings=strict)
    broken = Feed.views_at

    def views_at(self, step):
        views = broken(self, step)
        return {k: v * float("nan") if step == 3 else v for k, v in views.items()}

    monkeypatch.setattr(Feed, "views_at", views_at)
    with pytest.raises(UserError, match="step 4: .* is not finite"):
        run_train(monkeypatch, inputs, tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()


def sample(clip, languages, film="tiny", seconds=3.0):
    """Return the members of one sample of a shard, by name."""
    rng = np.random.default_rng(clip)
    frames = [np.full((36, 64, 3), 2 * n, np.uint8) for n in range(75)]
    about = {"film": film, "split": "valid", "clip": clip, "start_seconds": clip * 1.5}
    about |= {"end_seconds": clip * 1.5 + 3, "original_language": "en", "languages": languages}
    noise = {name: rng.uniform(-0.3, 0.3, int(seconds * 48000)) for name in [*languages, "en.nospeech"]}
    members = {f"{name}.flac": flac_bytes(value)[0] for name, value in noise.items()}
    return {**members, "mp4": encode_clip(frames), "json": json.dumps(about).encode()}, noise


def write_tar(path, samples):
    with tarfile.open(path, "w") as tar:
        for key, members in samples.items():
            for name, data in sorted(members.items()):
                header = tarfile.TarInfo(f"{key}.{name}")
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))


def test_prepare_decodes_every_sound_and_picture_once(tmp_path, monkeypatch):
    first, noise = sample(0, ["en", "fr"])
    second, _ = sample(1, ["de", "en"])
    write_tar(tmp_path / "tiny-0.tar", {"tiny-000001": second})
    write_tar(tmp_path / "tiny-1.tar", {"tiny-000000": first})
    shards = [str(tmp_path / f"tiny-{part}.tar") for part in (0, 1)]
    for name in ("a.npz", "b.npz"):
        arguments = ["prepare", "--shards", *shards, "--out", str(tmp_path / name)]
        monkeypatch.setattr(sys, "argv", arguments)
        prepare.main()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = load_clips([tmp_path / "a.npz"], Inputs())
    assert found.languages == ("de", "en", "fr") and found.start_seconds.tolist() == [0.0, 1.5]
    assert (found.speech >= 0).tolist() == [[False, True, True], [True, True, False]]
    assert len(found.sounds) == 6  # nothing twice, nothing empty
    assert sorted([*found.speech[found.speech >= 0], *found.nospeech]) == list(range(6))
    for name, row in (("en", found.original[0]), ("fr", found.speech[0, 2])):
        expected = log_mel(noise[name].astype(np.float32)[None], Inputs())[0, 0].numpy()
        assert np.abs(found.sounds[row].astype(np.float32) - expected).max() < 0.2
    grey = found.pictures[0].mean((1, 2, 3))
    assert np.abs(grey - 2 * np.array([0, 10, 21, 31, 42, 52, 63, 74])).max() < 8


def test_prepare_refuses_clips_of_another_length_or_film(tmp_path):
    short, _ = sample(0, ["en"], seconds=2.9)
    write_tar(tmp_path / "short.tar", {"tiny-000000": short})
    with pytest.raises(UserError, match="144000 samples"):
        prepare.prepare([tmp_path / "short.tar"], Inputs())
    one, other = sample(0, ["en"])[0], sample(1, ["en"], film="else")[0]
    write_tar(tmp_path / "mixed.tar", {"tiny-000000": one, "else-000001": other})
    with pytest.raises(UserError, match="expected the shards of one film"):
        prepare.prepare([tmp_path / "mixed.tar"], Inputs())


def test_films_without_clips_are_passed_over(inputs, tmp_path):
    write_tar(tmp_path / "empty.tar", {})
    np.savez(tmp_path / "empty.npz", **prepare.prepare([tmp_path / "empty.tar"], TINY.inputs))
    assert len(load_clips([tmp_path / "empty.npz", *inputs], TINY.inputs)) == 120
    with pytest.raises(UserError, match="not one clip"):
        load_clips([tmp_path / "empty.npz"], TINY.inputs)


def test_impossible_settings_are_refused():
    for bad in ({"views": "dub"}, {"lambda_audio": -0.1}):
        with pytest.raises(UserError):
            Run(**bad)
    for bad in ({"steps": 0}, {"batch_clips": 1}, {"temperature_minimum": 0.5}):
        with pytest.raises(UserError):
            Settings(**bad)
