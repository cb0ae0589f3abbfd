"""Shards read as they are: who reads what, in which order, what is left out, and where it goes on.

What goes wrong with webdataset 1.0.2 must not go wrong here, a test each: an epoch that misses clips,
or has them once per worker; processes with unequal shares; fewer shards than readers; dots in names;
batches of few films; no resume; truncated shards; batches that zip their arrays.
"""

import collections
import contextlib
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import yaml

from soundstage.config import check
from soundstage.errors import UserError
from soundstage.media import _decoded_frames, decode_clip, encode_clip, flac_bytes
from soundstage.model.lssd import load_official
from soundstage.model.lssd_inputs import PAPER
from soundstage.model.settings import Inputs, Model
from soundstage.pretrain import checkpoint, loop, train
from soundstage.pretrain.broken import too_many
from soundstage.pretrain.clips import Clips
from soundstage.pretrain.compose import Composer, dealt
from soundstage.pretrain.feed import Feed
from soundstage.pretrain.group import Group
from soundstage.pretrain.settings import Engine, Loader, Run, Settings
from soundstage.pretrain.stream import Reader, StreamFeed, reader_of
from soundstage.pretrain.survey import survey
from soundstage.pretrain.tars import listing, split_name
from soundstage.settings import dumps, load
from soundstage.units import rng_of

ROOT = Path(__file__).resolve().parent.parent
SHAPE = {"mels": 16, "mel_frames": 16, "frames": 4, "resize_height": 18, "resize_width": 32}
TINY = Model(audio_width=4, video_width=4, tubelet_frames=2, inputs=Inputs(**SHAPE, crop_height=16, crop_width=16))
QUICK = Settings(
    model=TINY,
    steps=4,
    batch_clips=4,
    film_clips=2,
    minimum_dub_clips=0,
    hidden_dim=8,
    projection_dim=8,
    warmup_steps=1,
    checkpoint_steps=2,
    log_steps=1,
    calibration_batches=1,
    loader=Loader(stream=True, open_shards=4),
    run=Run(views="dubs"),
)
FILMS, CLIPS = 9, 6


def two_of_three_dubbed(clip):
    return ["de", "en", "fr"] if clip % 3 else ["en"]


def about(film, clip, split="train", languages=two_of_three_dubbed):
    names = languages(clip)
    place = {"start_seconds": 1.5 * clip, "end_seconds": 1.5 * clip + 3}
    return {"film": film, "clip": clip, "split": split, "original_language": "en", "languages": names, **place}


@pytest.fixture(scope="module")
def media():
    """Members that all samples share; pictures become lighter from frame to frame."""
    frames = [np.full((36, 64, 3), 2 * n, np.uint8) for n in range(75)]
    rng = np.random.default_rng(0)
    sounds = {name: rng.uniform(-0.3, 0.3, 144000) * level for name, level in (("de", 1), ("en", 0.1), ("fr", 0.01))}
    members = {f"{name}.flac": flac_bytes(sound)[0] for name, sound in sounds.items()}
    return {**members, "en.nospeech.flac": members["en.flac"], "mp4": encode_clip(frames)}


def write(path, media, film, clips=CLIPS, split="train", spoil=(), languages=two_of_three_dubbed, unnamed=()):
    """Write a film's shard; without media, descriptions only, and those of the clips `unnamed` are none."""
    with tarfile.open(path, "w") as tar:
        for clip in range(clips):
            description = about(film, clip, split, languages)
            wanted = {"mp4", "en.nospeech.flac", *(f"{name}.flac" for name in description["languages"])}
            members = {name: media[name] for name in sorted(wanted)} if media else {}
            if clip in spoil:
                members["mp4"] = b"not a film"
            text = b"{" if clip in unnamed else json.dumps(description).encode()
            for name, data in {**members, "json": text}.items():
                header = tarfile.TarInfo(f"{film}-{clip:06d}.{name}")
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    return str(path)


@pytest.fixture(scope="module")
def shards(media, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    paths = [write(folder / f"film-{n}-0.tar", media, f"film-{n}") for n in range(FILMS)]
    return [*paths, write(folder / "late-0.tar", media, "late", split="valid")]


def composer(paths, batch=1, film_clips=99, **more):
    return Composer(paths, batch, film_clips, more.pop("open_shards", 4), seed=0, **more)


def one_epoch(composer):
    keys = []
    while composer.epoch == 0:
        keys += composer.next_batch()
    return keys[:-1]  # the last one is of the next epoch


def test_an_epoch_has_every_clip_once_however_many_read_it(shards):
    everything = {f"film-{film}-{clip:06d}" for film in range(FILMS) for clip in range(CLIPS)}
    for readers in (1, 2, 4):
        keys = sum((one_epoch(composer(shards[:9], reader=n, readers=readers)) for n in range(readers)), [])
        assert len(keys) == len(everything) and set(keys) == everything


def test_an_epoch_is_not_repeated_by_every_worker(shards, monkeypatch):
    place = lambda self, sample, about, epoch: {"place": np.array([int(about["film"][-1]), about["clip"]])}  # noqa: E731
    monkeypatch.setattr(Reader, "take", place)
    settings = dataclasses.replace(QUICK, batch_clips=2, run=Run(), film_clips=9, minimum_dub_clips=99)
    feed = StreamFeed(survey(shards[:4]), settings, 0, workers=2)  # 4 shards of 6 clips: 12 batches of 2
    places = torch.cat([feed.next_share()["place"] for _ in range(12)])
    assert len(places.unique(dim=0)) == len(places) == 24


def test_epochs_deal_the_shards_anew(shards):
    first, second = ([dealt(shards, 0, epoch, n, 3) for n in range(3)] for epoch in (0, 1))
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == sorted(shards)
    assert first != second and first == [dealt(shards, 0, 0, n, 3) for n in range(3)]


def test_all_processes_get_the_same_number_of_equally_large_shares(shards):
    known = survey(shards)  # nine shards for two processes
    settings = dataclasses.replace(QUICK, run=Run())
    for rank in (0, 1):
        feed = StreamFeed(known, settings, 0, rank, 2)
        assert {len(feed.next_share()["sound_p"]) for _ in range(30)} == {2}


def test_too_few_shards_are_refused_before_the_training(shards):
    known = survey(shards[:3])
    crowded = dataclasses.replace(QUICK, loader=Loader(workers=2))
    with pytest.raises(UserError, match="3 training shards are too few for 2 processes with 2 workers"):
        StreamFeed(known, crowded, 0, 0, 2)
    with pytest.raises(UserError, match="cannot be shared by 3 processes"):
        StreamFeed(known, QUICK, 0, 0, 3)
    with pytest.raises(UserError, match="none of 1 shards is of the split train"):
        survey(shards[9:])


def test_all_shards_of_a_film_go_to_one_process(tmp_path):
    """More parts help where a process has too few shards, and only more films where one has none."""
    paths = [write(tmp_path / f"f{film}-{part}.tar", None, f"f{film}") for film in range(3) for part in range(2)]
    known, settings = survey(paths), dataclasses.replace(QUICK, film_group=4, loader=Loader(workers=2))
    feeds = [StreamFeed(known, settings, 0, rank, 2) for rank in range(2)]
    films = [{Path(path).name[:2] for path in feed.mine} for feed in feeds]
    assert not films[0] & films[1] and sum(len(feed.mine) for feed in feeds) == 6
    with pytest.raises(UserError, match="all shards of a film go to one process, and 1 would have none") as found:
        StreamFeed(known, dataclasses.replace(settings, batch_clips=8), 0, 0, 4)
    assert "give more films" in found.value.fix and "parts_per_film" not in found.value.fix
    with pytest.raises(UserError, match="the films of one process have 2") as found:
        StreamFeed(known, dataclasses.replace(settings, loader=Loader(workers=3)), 0, 0, 2)
    assert "raise shards.parts_per_film" in found.value.fix


def test_a_resume_composes_no_past_batch_again(shards, monkeypatch):
    monkeypatch.setattr(Reader, "take", lambda self, sample, about, epoch: {"key": np.array(as_number(sample.key))})
    feed = StreamFeed(survey(shards), QUICK, 0)
    for _ in range(50):
        feed.next_share()
    composed, one = [], Composer.next_batch
    monkeypatch.setattr(Composer, "next_batch", lambda self, take=None: composed.append(take) or one(self, take))
    other = StreamFeed(survey(shards), QUICK, 0)
    other.restore(feed.state())
    assert torch.equal(other.next_share()["key"], feed.next_share()["key"]) and len(composed) == 2


def test_members_with_dots_stay_with_their_sample(shards):
    assert split_name("a.b/film-1-000002.en.nospeech.flac") == ("a.b/film-1-000002", "en.nospeech.flac")
    samples, loss = listing(shards[0])
    assert loss is None and [sample.key for sample in samples] == [f"film-0-{n:06d}" for n in range(CLIPS)]
    assert set(samples[1].members) == {"mp4", "json", "de.flac", "en.flac", "fr.flac", "en.nospeech.flac"}
    assert samples[1].about()["clip"] == 1 and samples[1].read("mp4")[4:8] == b"ftyp"


def test_names_with_dots_before_the_clip_are_left_out_by_name(media, tmp_path):
    """Such names make one sample of many clips, whichever reader takes them."""
    with tarfile.open(write(tmp_path / "film-0-0.tar", media, "film-0"), "a") as tar:
        for clip in range(3):
            header = tarfile.TarInfo(f"film.fr.{clip:04d}.mp4")
            header.size = 4
            tar.addfile(header, io.BytesIO(b"1234"))
    reader = composer([str(tmp_path / "film-0-0.tar")])
    assert len(one_epoch(reader)) == CLIPS
    assert [key for key, reason in reader.report if "no description" in reason] == ["film"]


def test_batches_are_filled_from_a_group_of_films_as_far_as_it_suffices(shards):
    def films(**rules):
        reader = composer(shards[:9], open_shards=9, **rules)
        batches = [[key.rsplit("-", 1)[0] for key in reader.next_batch()] for _ in range(40)]
        return [len(set(names)) for names in batches], collections.Counter(sum(batches, []))

    few, seen = films(batch=4, film_clips=2, film_group=3)
    assert np.mean(np.array(few) <= 3) > 0.8  # more where an epoch ends
    assert len(seen) == FILMS and max(seen.values()) <= 2 * min(seen.values())
    assert max(films(batch=4, film_clips=2)[0]) > 3
    assert set(films(batch=9, film_clips=2, film_group=2)[0]) <= set(range(5, 10))  # 2 films give 4 clips at most


def test_batches_mix_films_and_keep_overlapping_windows_apart(shards):
    reader, films = composer(shards[:9], batch=8, film_clips=2, open_shards=6), []
    for _ in range(40):
        keys = reader.next_batch()
        found = collections.Counter(key.rsplit("-", 1)[0] for key in keys)
        assert max(found.values()) <= 2
        clips = collections.defaultdict(list)
        for key in keys:
            clips[key.rsplit("-", 1)[0]].append(int(key.rsplit("-", 1)[1]))
        assert all(abs(a - b) >= 2 for group in clips.values() for a in group for b in group if a != b)
        films.append(len(found))
    assert films[0] >= 4 and np.mean(films) > 4


def test_clips_that_had_to_wait_come_soon_and_none_is_lost(shards):
    reader = composer(shards[:9], batch=6, film_clips=1, open_shards=9)
    seen = collections.Counter(key for _ in range(90) for key in reader.next_batch())
    assert len(seen) == FILMS * CLIPS and max(seen.values()) <= 2 * min(seen.values()) + 2


def test_a_batch_that_can_never_be_filled_is_refused(shards):
    with pytest.raises(UserError, match="only 2 clips that may meet in a batch of 3"):
        composer(shards[:2], batch=3, film_clips=1).next_batch()


def test_a_share_is_made_of_batched_arrays(shards):
    share = StreamFeed(survey(shards), QUICK, 0).next_share()
    assert share["sound_p"].shape == share["sound_s"].shape == (4, 16, 16)
    assert share["picture_p"].shape == (4, 4, 16, 16, 3) and share["picture_p"].dtype == torch.uint8
    grey = share["picture_p"].float().mean((2, 3, 4))
    assert (grey - torch.tensor([0.0, 48, 98, 148])).abs().max() < 8  # frames 0, 24, 49, 74 of 75


def test_languages_follow_the_seed_and_the_arm(shards):
    known = survey(shards)
    assert known.languages == ("de", "en", "fr") and len(known.train) == 9 and len(known.held_out) == 1
    reader = reader_of(known, QUICK, 5)
    samples = [sample for path in known.train for sample in listing(path)[0]]
    dubbed = [sample for sample in samples if reader.wanted(sample.about(), sample)]
    assert len(dubbed) == FILMS * 4
    heard = set()
    for sample in dubbed[:12]:
        item, again, later = (reader.take(sample, sample.about(), epoch) for epoch in (0, 0, 1))
        assert all(np.array_equal(item[name], again[name]) for name in item)
        assert abs(item["sound_p"].mean() - item["sound_s"].mean()) > 5  # 20 dB from language to language
        heard |= {round(float(found[f"sound_{view}"].mean()) / 20) for found in (item, later) for view in "ps"}
    assert len(heard) == 3
    plain = reader_of(known, dataclasses.replace(QUICK, run=Run()), 5)
    item = plain.take(samples[0], samples[0].about(), 0)
    assert np.array_equal(item["sound_p"], item["sound_s"])


def heard_in(paths, settings, epochs=3):
    """Return {language: share of the clips with a dub that hear it} over some epochs."""
    reader, use, clips = reader_of(survey(paths), settings, 0), collections.Counter(), 0
    for epoch in range(epochs):
        for sample in (sample for path in paths for sample in listing(path)[0]):
            description = sample.about()
            if reader.wanted(description, sample):
                clips += 1
                use.update(reader._sounds(description, rng_of(0, "languages", epoch, sample.key)))
    return {name.removesuffix(".flac"): count / clips for name, count in use.items()}


def test_languages_are_weighed_over_the_clips_that_are_heard(tmp_path):
    """Clips in the original alone are no reason to leave it out where there are dubs."""
    some = [lambda clip: ["en"], lambda clip: ["en"], lambda clip: ["de", "en", "fr"]]
    paths = [write(tmp_path / f"f{n}.tar", None, f"f{n}", 40, languages=some[n % 3]) for n in range(18)]
    assert np.allclose(reader_of(survey(paths), QUICK, 0).weights, 1)
    assert all(abs(share - 2 / 3) < 0.05 for share in heard_in(paths, QUICK).values())
    mixed = [write(tmp_path / f"g{n}.tar", None, f"g{n}", 60) for n in range(6)]
    assert all(abs(share - 2 / 3) < 0.05 for share in heard_in(mixed, QUICK).values())


def test_languages_are_weighed_after_the_limit_of_dubs_as_for_prepared_inputs(tmp_path):
    def languages(clip):
        return ["de", "en", "fr", *["it"] * (clip % 2)] if clip % 5 else ["en"]

    paths = [write(tmp_path / f"f{n}.tar", None, f"f{n}", 40, languages=languages) for n in range(7)]
    settings = dataclasses.replace(QUICK, run=Run(views="dubs", most_dubs=2))
    found = reader_of(survey(paths), settings, 0).weights
    names = ("de", "en", "fr", "it")
    film, clip = (axis.ravel() for axis in np.meshgrid([f"f{n}" for n in range(7)], range(40), indexing="ij"))
    present = np.array([[name in languages(n) for name in names] for n in clip.tolist()])
    rows = np.where(present, np.arange(len(clip))[:, None], -1)
    nothing = np.full(len(clip), -1)
    clips = Clips(
        film=film,
        split=np.full(len(clip), "train"),
        start_seconds=1.5 * clip,
        end_seconds=1.5 * clip + 3,
        languages=names,
        original=rows[:, 1],
        speech=rows,
        nospeech=nothing,
        remix=nothing,
        sounds=np.zeros((0, 16, 16), np.float16),
        pictures=np.zeros((len(clip), 4, 18, 32, 3), np.uint8),
    )
    assert np.allclose(found, Feed(clips, settings, 0).weights, rtol=1e-9)
    assert not np.allclose(found, reader_of(survey(paths), QUICK, 0).weights, rtol=0.1)


def test_a_dub_that_begins_late_is_heard(tmp_path):
    late = lambda clip: ["en"] if clip < 12 else ["en", "fr"]  # noqa: E731
    paths = [write(tmp_path / f"f{n}.tar", None, f"f{n}", 40, languages=late) for n in range(3)]
    assert heard_in(paths, QUICK) == {"en": 1, "fr": 1}


def test_shards_are_read_once_and_by_all_processes_together(tmp_path, monkeypatch):
    paths = [write(tmp_path / f"f{n}.tar", None, f"f{n}") for n in range(3)]
    kept, whole = tmp_path / "run/descriptions.json", survey(paths)
    survey(paths, kept)
    assert not kept.exists()  # it took no time
    monkeypatch.setattr("soundstage.pretrain.survey.SLOW_SECONDS", 0)
    assert survey(paths, kept) == whole
    write(paths[2], None, "f2", 9)
    read = []
    monkeypatch.setattr("soundstage.pretrain.survey.listing", lambda path: read.append(path) or listing(path))
    known = survey(paths, kept)
    assert read == paths[2:] and known.clips == whole.clips + 3
    kept.write_text("{")
    read.clear()
    groups = [Together(rank, 2, "cpu") for rank in range(2)]
    shares = Together.shares = []
    for group in groups:
        with contextlib.suppress(KeyError):  # the first one has not heard of the other's part yet
            survey(paths, group=group)
    assert sorted(read) == paths and len(shares) == 2
    assert survey(paths, group=groups[0]) == known


class Together(Group):
    """A group whose processes are asked one after the other."""

    shares = []

    def all_of(self, value):
        """Return what was given so far, each rank once."""
        if len(self.shares) < self.processes:
            self.shares.append(value)
        return self.shares


def test_what_cannot_be_described_is_named_and_counted(tmp_path, capfd):
    paths = [write(tmp_path / f"f{n}.tar", None, f"f{n}", 30) for n in range(5)]
    paths += [write(tmp_path / "first.tar", None, "first", 30, unnamed=range(8))]  # the others are trained on
    paths += [write(tmp_path / "none.tar", None, "none", 30, unnamed=range(30))]
    (tmp_path / "no.tar").write_bytes(b"no tar" * 1000)
    write(tmp_path / "empty.tar", None, "empty", 0)  # of a film without clips: nothing is wrong with it
    known = survey([*paths, tmp_path / "no.tar", tmp_path / "empty.tar"])
    assert known.train == tuple(sorted(paths[:6])) and known.clips == 172
    assert known.lost == pytest.approx(8 + 30 + 172 / 6)  # the tar that cannot be read, as many as the mean
    said = capfd.readouterr().err
    assert f"left out: {tmp_path / 'no.tar'}: not one clip can be read" in said
    assert "left out: first-000000: no description: JSONDecodeError" in said and "left out: 29 more" in said
    with pytest.raises(UserError, match=r"67 of 239 clips cannot be described, more than 1.0 %: first-000000: no"):
        StreamFeed(known, QUICK, 0)
    StreamFeed(known, dataclasses.replace(QUICK, loader=Loader(broken_percent=30.0)), 0)
    with pytest.raises(UserError, match="none of 1 shards is of the split train; .*no.tar: not one clip can be read"):
        survey([tmp_path / "no.tar"])


ARMS = {
    "monolingual": Run(),
    "dubs": Run(views="dubs"),
    "one_dub": Run(views="dubs", most_dubs=1),
    "speech_removed": Run(views="speech_removed"),
}


@pytest.mark.parametrize(("minimum", "clips"), [(FILMS * 4, FILMS * 4), (FILMS * 4 + 1, FILMS * CLIPS)])
def test_all_arms_of_a_comparison_share_clips_and_batches(shards, monkeypatch, capfd, minimum, clips):
    known = survey(shards)
    monkeypatch.setattr(Reader, "take", lambda self, sample, about, epoch: {"key": np.array(as_number(sample.key))})
    batches = {}
    for name, run in ARMS.items():
        feed = StreamFeed(known, dataclasses.replace(QUICK, run=run, minimum_dub_clips=minimum), 0)
        batches[name] = [feed.next_share()["key"].tolist() for _ in range(30)]
        assert feed.clips == clips
        assert (feed.reader.views == "dubs") == (run.views == "dubs" and clips == FILMS * 4)
    assert len({json.dumps(found) for found in batches.values()}) == 1
    assert len({key for batch in batches["dubs"] for key in batch}) == clips
    said = capfd.readouterr().err.count("36 training clips have a dub, fewer than minimum_dub_clips = 37: all 54 clips")
    assert said == (4 if minimum == 37 else 0)


def as_number(key):
    _, film, clip = key.split("-")
    return 1000 * int(film) + int(clip)


def test_arms_that_lack_their_sounds_are_refused(tmp_path):
    known = survey([write(tmp_path / "f.tar", None, "f")])
    with pytest.raises(UserError, match="4 of 4 training clips lack the sound without speech"):
        reader_of(known, dataclasses.replace(QUICK, run=ARMS["speech_removed"]), 0)
    mono = survey([write(tmp_path / "g.tar", None, "g", languages=lambda clip: ["en"])])
    with pytest.raises(UserError, match="not one training clip has a dub"):
        reader_of(mono, QUICK, 0)


def test_clips_of_other_splits_in_a_training_shard_are_not_trained_on(shards):
    reader = reader_of(survey(shards), QUICK, 0)
    assert [reader.wanted(about("f", 1, split), None) for split in ("train", "valid", "test")] == [True, False, False]


def test_pictures_are_cut_as_the_paper_does_where_asked(shards):
    known = survey(shards)
    settings = dataclasses.replace(QUICK, loader=Loader(short_side_min=18, short_side_max=30))
    share = StreamFeed(known, settings, 0).next_share()
    assert share["picture_p"].shape == (4, 4, 16, 16, 3)


def test_pictures_that_would_be_enlarged_are_refused(shards):
    known = survey(shards)
    for least, enough in ((36, True), (39, True), (44, False)):  # of the shards: 36
        settings = dataclasses.replace(QUICK, loader=Loader(short_side_min=least, short_side_max=51))
        if enough:
            StreamFeed(known, settings, 0)
            continue
        with pytest.raises(UserError, match="has 36 pixels, expected 44 to 51") as found:
            StreamFeed(known, settings, 0)
        assert "shards.short_side_pixels: 52" in found.value.fix
    with pytest.raises(UserError, match="no less than the crop has .16 x 16., found 14"):
        dataclasses.replace(QUICK, loader=Loader(short_side_min=14, short_side_max=40))


def spoiled(media, folder, spoil):
    return [write(folder / f"film-{n}-0.tar", media, f"film-{n}", 12, spoil=spoil if n < 2 else ()) for n in range(6)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_feed_goes_on_exactly_where_it_was(media, tmp_path, workers):
    known = survey(spoiled(media, tmp_path, (4, 5)))
    settings = dataclasses.replace(QUICK, loader=Loader(workers=workers, open_shards=2, broken_percent=50.0))
    feed = StreamFeed(known, settings, 3)
    for number in range(7):
        feed.views_at(number)
    state = json.loads(json.dumps(feed.state()))
    expected = [feed.views_at(number) for number in range(7, 11)]
    other = StreamFeed(known, settings, 3)
    other.restore(state)
    for number, views in zip(range(7, 11), expected, strict=True):
        found = other.views_at(number)
        assert all(torch.equal(views[name], found[name]) for name in views)
    assert other.state() == feed.state() and feed.broken
    with pytest.raises(ValueError, match="expected batch 11"):
        feed.views_at(3)


def test_broken_clips_are_counted_and_too_many_stop_the_training(media, tmp_path, capfd):
    known = survey(spoiled(media, tmp_path, (1, 4)))
    lenient = dataclasses.replace(QUICK, loader=Loader(broken_percent=20.0))
    feed = StreamFeed(known, lenient, 0)
    for _ in range(20):
        feed.next_share()
    assert set(feed.broken) == {f"film-{film}-{clip:06d}" for film in (0, 1) for clip in (1, 4)}
    assert "cannot decode the picture" in feed.broken["film-0-000001"]
    assert capfd.readouterr().err.count("left out: film-0-000001") == 1
    strict = dataclasses.replace(QUICK, loader=Loader(broken_percent=0.5))
    feed = StreamFeed(known, strict, 0)
    with pytest.raises(UserError, match="are broken, more than 0.5 %: film-"):
        for _ in range(60):
            feed.next_share()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """32 shards of 200 clips, descriptions only."""
    folder = tmp_path_factory.mktemp("many")
    return survey([write(folder / f"film-{n}-0.tar", None, f"film-{n}", 200) for n in range(32)])


def breaking(percent=0.0, films=()):
    """Return a `Reader.take` to which so many clips, others for every seed, and all of some films are broken."""

    def take(self, sample, about, epoch):
        if about["film"] in films or rng_of(self.seed, sample.key).random() < percent / 100:
            raise ValueError("spoiled")
        return {"x": np.zeros(1)}

    return take


def tried_before_stop(known, seed, batches, clips=None):
    """Return how many clips were tried when the training was stopped, 0 when it went on.

    clips: of how large a corpus these shards are the first that are met.
    """
    settings = dataclasses.replace(
        QUICK, run=Run(), batch_clips=80, film_clips=20, minimum_dub_clips=10**9, loader=Loader(open_shards=8)
    )
    feed = StreamFeed(known, settings, seed)
    feed.clips = clips or feed.clips
    try:
        for _ in range(batches):
            feed.next_share()
    except UserError as error:
        assert "are broken, more than 1.0 %: film-" in error.what and "spoiled" in error.what
        return feed.tried
    return 0


def test_only_a_share_that_is_surely_above_the_limit_stops_a_training(many, monkeypatch):
    monkeypatch.setattr("soundstage.pretrain.stream.say", lambda text: None)
    for percent in (0.3, 0.8):
        monkeypatch.setattr(Reader, "take", breaking(percent))
        assert not any(tried_before_stop(many, seed, 40) for seed in range(12))
    monkeypatch.setattr(Reader, "take", breaking(5.0))
    assert all(0 < tried_before_stop(many, seed, 40) < 1500 for seed in range(12))
    monkeypatch.setattr(Reader, "take", breaking(100.0))
    assert 0 < tried_before_stop(many, 0, 1) < 20


def test_one_bad_film_does_not_stop_a_training_of_many(many, monkeypatch):
    monkeypatch.setattr("soundstage.pretrain.stream.say", lambda text: None)
    monkeypatch.setattr(Reader, "take", breaking(films=("film-3",)))
    assert not any(tried_before_stop(many, seed, 40, clips=10**6) for seed in range(4))


def test_what_is_beyond_doubt():
    assert not too_many(1, 0, 50, 10**6, 1.0) and not too_many(1, 1, 1, 100, 1.0)
    assert too_many(2, 2, 2, 100, 1.0)  # more than a hundredth of all there are
    assert not too_many(50, 50, 400, 10**6, 1.0)  # all of one film
    from scipy.stats import binom

    for broken, tried in ((8, 150), (9, 150), (10, 150), (40, 2000), (41, 2000)):
        assert too_many(broken, 0, tried, 10**6, 1.0) == (binom.sf(broken - 1, tried, 0.01) < 1e-4)
    assert too_many(1, 1, 1, 10**6, 0.0) and not too_many(9, 0, 9, 9, 100.0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corpus_that_is_all_broken_is_refused_at_once_with_the_reason(media, tmp_path, capfd, workers):
    paths = [write(tmp_path / f"film-{n}-0.tar", media, f"film-{n}", 12, spoil=range(12)) for n in range(6)]
    settings = dataclasses.replace(QUICK, loader=Loader(workers=workers, open_shards=2, broken_percent=10.0))
    with pytest.raises(UserError) as found:
        StreamFeed(survey(paths), settings, 0).next_share()
    assert re.search("clips of [2-9] tried, of 48 in all, are broken, more than 10.0 %: film-", found.value.what)
    assert "cannot decode the picture" in found.value.what and "Traceback" not in str(found.value)
    assert found.value.where == "pretrain.loader.broken_percent"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_that_cannot_be_filled_is_told_without_a_traceback(shards, workers):
    settings = dataclasses.replace(QUICK, batch_clips=60, loader=Loader(workers=workers))
    with pytest.raises(UserError, match="of 60") as found:
        StreamFeed(survey(shards), settings, 0).next_share()
    assert "Traceback" not in str(found.value) and found.value.fix


def test_a_truncated_shard_gives_what_is_whole_and_is_named(shards, tmp_path):
    whole = tmp_path / "film-0-0.tar"
    with open(shards[0], "rb") as file:
        data = file.read()
    whole.write_bytes(data[: int(len(data) * 0.55)])
    samples, loss = listing(whole)
    assert 1 < len(samples) < CLIPS and "unexpected end" in str(loss)
    reader = composer([str(whole), *shards[1:9]])
    keys, reports = [], []
    while reader.epoch == 0:
        keys += reader.next_batch(lambda sample, about, epoch: sample.read("json") and sample.key)
        reports += reader.report
        reader.report = []
    assert (str(whole), str(loss)) in reports
    assert len(set(keys)) >= (FILMS - 1) * CLIPS + 1


def command(shards, out, settings=QUICK, more=()):
    base = ["--shards", *shards, "--run", "dubs", "--seed", "0", "--out", str(out)]
    return [*base, "--settings", dumps(settings), *more]


def run_train(monkeypatch, *arguments, **options):
    monkeypatch.setattr(sys, "argv", ["train", *command(*arguments, **options)])
    train.main()


def test_a_training_from_shards_stops_and_goes_on_to_the_same_weights(shards, tmp_path, monkeypatch):
    settings = dataclasses.replace(QUICK, engine=Engine(accumulate_batches=2))
    run_train(monkeypatch, shards, tmp_path / "whole/model.pt", settings)
    save = checkpoint.save

    def save_and_die(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint, "save", save_and_die)
        run_train(patch, shards, tmp_path / "parts/model.pt", settings)
    run_train(monkeypatch, shards, tmp_path / "parts/model.pt", settings)
    for name in ("model.pt", "metrics.jsonl", "retrieval.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes(), name
    lines = [json.loads(line) for line in (tmp_path / "whole/metrics.jsonl").read_text().splitlines()]
    assert {"similarity_same_clip", "similarity_other_clip", "loss_video_s_audio_p"} <= set(lines[0])
    assert lines[-1]["retrieval"]["valid"]["original"]["clips"] == 3
    assert not (tmp_path / "whole/held_out").exists()


def test_a_run_begins_with_the_towers_of_an_earlier_one(shards, tmp_path, monkeypatch):
    run_train(monkeypatch, shards, tmp_path / "one/model.pt")
    still = dataclasses.replace(QUICK, run=Run(train=False))
    more = ["--start-from", str(tmp_path / "one/model.pt")]
    run_train(monkeypatch, shards, tmp_path / "two/model.pt", still, more=more)
    one, two = (torch.load(tmp_path / name / "model.pt", weights_only=True)["model"] for name in ("one", "two"))
    towers = [name for name in one if name.startswith("backbone.")]
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in towers)
    wide = dataclasses.replace(QUICK, model=dataclasses.replace(TINY, audio_width=8))
    with pytest.raises(UserError, match="cannot begin with these towers"):
        run_train(monkeypatch, shards, tmp_path / "wide/model.pt", wide, more=more)


def test_other_shards_do_not_go_on_from_a_checkpoint(shards, tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "checkpoint", {"shards": {"film-0-0.tar": "12 ab"}}, {"step": 2})
    with pytest.raises(UserError, match="shards.film-0-0.tar was '12 ab', now"):
        run_train(monkeypatch, shards, tmp_path / "model.pt")


def test_a_user_signal_saves_and_goes_on():
    with loop.StopSignal() as stop:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop.save and not stop.asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked == signal.SIGTERM


def test_the_overlay_of_paper_sized_towers_asks_for_the_papers_inputs(media, tmp_path, monkeypatch):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for name in ("tiny", "lssd"):
        update(config, yaml.safe_load((ROOT / f"tests/{name}.yaml").read_text()))
    check(config, yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text()))
    others = ("runs", "seeds", "ablation", "ablation_seeds", "table2")
    section = {key: value for key, value in config["pretrain"].items() if key not in others}
    section["loader"]["held_out_clips"] = 0
    height = config["shards"]["short_side_pixels"]
    assert height >= section["loader"]["short_side_max"]
    large = {**media, "mp4": encode_clip([np.full((height, 2 * height, 3), 2 * n, np.uint8) for n in range(75)])}
    shards = [write(tmp_path / f"film-{n}-0.tar", large, f"film-{n}") for n in range(2)]
    run = {**config["pretrain"]["runs"]["paper_size"], "train": False}
    settings = load(Settings, {**section, "model": config["model"], "run": run})
    assert dataclasses.replace(settings.model.inputs, resize_width=PAPER.resize_width) == PAPER
    run_train(monkeypatch, shards, tmp_path / "model.pt", settings)
    net = load_official(tmp_path / "model.pt")  # the same names as the released weights
    assert net["video"].dim == net["audio"].dim == 768
    assert json.loads((tmp_path / "retrieval.json").read_text()) == {}


def update(config, overlay):
    """Put an overlay's values into a configuration, as Snakemake does."""
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            update(config[key], value)
        elif value is None:
            config.pop(key)
        else:
            config[key] = value


def test_two_processes_train_from_shards_together(shards, tmp_path):
    settings = dataclasses.replace(QUICK, steps=2, engine=Engine(loss_strip_clips=3))
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    module = ["-m", "--", "soundstage.pretrain.train", *command(shards, tmp_path / "model.pt", settings)]
    done = subprocess.run(
        [*program, *module], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("step 2 of 2") == 1
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2] and 0 < lines[0]["loss"] < 10
    weights = torch.load(tmp_path / "model.pt", weights_only=True)["model"]
    assert all(value.isfinite().all() for value in weights.values())


@pytest.mark.parametrize("preset", ["ultrafast", "superfast", "medium"])
def test_pictures_that_are_passed_over_do_not_change_the_others(preset):
    frames, wanted = moving_pictures(), [0, 4, 9, 14, 49, 74]
    clip = encode_clip(frames, preset=preset)
    with av.open(io.BytesIO(clip)) as container:
        every = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.array_equal(decode_clip(clip, wanted), np.stack([every[number] for number in wanted]))
    assert np.array_equal(decode_clip(clip, range(75)), np.stack(every))
    with av.open(io.BytesIO(clip)) as container:
        decoded = [number for number, _ in _decoded_frames(container, {0, 40})]
    kept_by = {"ultrafast": 75, "superfast": 60, "medium": 60}  # without B-pictures, all are needed by others
    assert {0, 40} <= set(decoded) and len(decoded) <= kept_by[preset]


def test_pictures_without_time_stamps_are_counted():
    clip = encode_clip(moving_pictures(), preset="ultrafast")
    bare = io.BytesIO()
    with av.open(io.BytesIO(clip)) as source, av.open(bare, "w", format="h264") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with av.open(io.BytesIO(bare.getvalue())) as container:
        assert next(container.demux(video=0)).pts is None
    assert np.array_equal(decode_clip(bare.getvalue(), [3, 70]), decode_clip(clip, [3, 70]))


def test_a_clip_that_is_too_short_is_refused():
    with pytest.raises(UserError, match="expected 2 pictures in a clip, found 1"):
        decode_clip(encode_clip(moving_pictures()[:70]), [3, 70])


def moving_pictures():
    field = np.random.default_rng(0).integers(0, 255, (20, 40, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    return [np.ascontiguousarray(field[:64, n // 2 : n // 2 + 96]) for n in range(75)]
