import dataclasses
import json
import pickle
import resource
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from soundstage.errors import UserError
from soundstage.files import sha256
from soundstage.media import flac_samples, write_empty_flac
from soundstage.nospeech import load, material, measure, package, separate, train
from soundstage.nospeech.chunks import Grid, joined, plan
from soundstage.nospeech.sdr import si_sdr_db
from soundstage.nospeech.separate import estimate, separate_file, separated
from soundstage.nospeech.settings import Settings
from soundstage.settings import load as load_settings
from soundstage.studio import mix, soundtrack
from soundstage.studio.plan import film_row
from soundstage.studio.plan import films as plan_films
from soundstage.studio.settings import Settings as StudioSettings
from soundstage.units import rng_of

SHIPPED_FILE = next(load.SHIPPED.glob("studio-*.th"))


@pytest.fixture(scope="module")
def separator():
    torch.set_num_threads(1)
    return load.open_separator(Settings())


@pytest.fixture(scope="module")
def scene():
    """20 s of speech and bed, with voices and lines that no training has seen."""
    return mix.example(20.0, rng_of("test nospeech", 1), "corpus_test", 0.0, 0.0)


def write(path, samples, rate=48000, **options):
    soundfile.write(path, np.asarray(samples, np.float32), rate, **options)
    return path


def whole(separator, audio, output="subtract", rate=48000):
    """The estimate of demucs over the whole track at once."""
    return estimate(audio[None], rate, separator, Settings(output=output))[0]


# --- the shipped package ---


def test_plain_demucs_opens_the_package():
    from demucs.api import Separator

    plain = Separator(model="studio", repo=load.SHIPPED, device="cpu")
    assert plain.model.sources == ["speech", "rest"]
    _, stems = plain.separate_tensor(torch.randn(1, 24000), 24000)
    assert stems["speech"].shape == (1, 24000)


def test_package_is_small_half_precision_and_named_by_its_checksum():
    assert SHIPPED_FILE.stat().st_size <= 3_000_000
    digest = sha256(SHIPPED_FILE)
    assert SHIPPED_FILE.stem == f"studio-{digest[:8]}"
    assert Settings().separator_sha256 == (digest,)
    card = (load.SHIPPED / "MODEL_CARD.md").read_text()
    assert digest in card
    with open(SHIPPED_FILE, "rb") as stream:
        state = torch.load(stream, weights_only=False)["state"]
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}


def test_wrong_checksum_is_refused_before_opening(tmp_path):
    touched = tmp_path / "touched"

    class Trap:
        def __reduce__(self):
            return (open, (str(touched), "w"))

    (tmp_path / "evil.th").write_bytes(pickle.dumps(Trap()))
    settings = Settings(separator=str(tmp_path), name="evil")
    with pytest.raises(UserError, match="not opened"):
        load.open_separator(settings)
    assert not touched.exists()


def test_missing_folder_name_and_bag_are_named(tmp_path):
    with pytest.raises(UserError, match="found nothing"):
        load.weights_files(tmp_path / "absent", "studio")
    with pytest.raises(UserError, match="no model 'studio'"):
        load.weights_files(tmp_path, "studio")
    (tmp_path / "pair.yaml").write_text("models: [one, two]\n")
    (tmp_path / "one-0123abcd.th").write_bytes(b"x")
    with pytest.raises(UserError, match="two"):
        load.weights_files(tmp_path, "pair")
    (tmp_path / "two.th").write_bytes(b"y")
    names = [path.name for path in load.weights_files(tmp_path, "pair")]
    assert names == ["one-0123abcd.th", "two.th"]


def test_every_file_of_a_bag_is_checked(tmp_path):
    files = [tmp_path / "one.th", tmp_path / "two.th"]
    for path in files:
        path.write_bytes(path.name.encode())
    with pytest.raises(UserError, match=r"two\.th"):
        load.check_sums(files, (sha256(files[0]),))
    load.check_sums(files, tuple(sha256(path) for path in files))


def test_hub_weights_are_checked_before_they_are_opened(tmp_path, monkeypatch):
    import demucs.api
    import huggingface_hub

    (tmp_path / "htdemucs.yaml").write_text("models: [955717e8]\n")
    (tmp_path / "955717e8.safetensors").write_bytes(b"weights")
    asked = []

    def fetch(repo, name):
        asked.append((repo, name))
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    monkeypatch.setattr(demucs.api, "Separator", lambda **_: pytest.fail("opened"))
    with pytest.raises(UserError, match="not opened"):
        load.open_separator(Settings(separator="hub", name="htdemucs"))
    assert asked[-1] == ("adefossez/HTDemucs", "955717e8.safetensors")


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "../evil"},
        {"separator_sha256": ["abc"]},
        {"separator_sha256": []},
        {"output": "speech"},
        {"overlap": 1.0},
        {"chunk_seconds": 1},
        {"seperator": "x"},
    ],
)
def test_impossible_settings_are_refused(bad):
    with pytest.raises(UserError):
        load_settings(Settings, json.dumps(bad))


def test_a_model_without_speech_is_refused(tmp_path):
    class Bag:
        sources = ["drums", "bass"]

    class Other:
        model = Bag()

    with pytest.raises(UserError, match="drums"):
        load.speech_stem(Other())


# --- quality ---


def test_speech_is_removed_from_films(separator):
    """On the test films of a corpus of short films: voices and lines that no training has seen."""
    studio = StudioSettings(film_seconds=30)
    gains, changes = [], []
    for film in (row["film"] for row in plan_films(studio) if row["split"] == "test"):
        language = film_row(studio, film)["original_language"]
        story = soundtrack.story_of(studio, film)
        bed = soundtrack.bed_in_reference(studio, story, soundtrack.event_sounds(studio, story))
        lines = soundtrack.line_sounds(studio, story, language)
        talk = soundtrack.talk_in_reference(studio, story, lines)
        mixture, bed = (soundtrack.finished(studio, story, language, talk, bed, x) for x in (1, 0))
        result = mixture - whole(separator, mixture)
        found = measure.compared(mixture, result, bed, soundtrack.intervals(story, lines))
        gains.append(found["gain_db"])
        changes.append(found["speech_free_change_db"])
    assert np.mean(gains) >= 8, gains
    assert np.mean(changes) < -15, changes


def test_speech_free_sound_is_kept(separator, scene):
    _, bed = scene
    change = whole(separator, bed)
    assert 10 * np.log10(np.mean(change**2) / np.mean(bed**2)) < -15


def test_band_above_the_model_is_kept(separator, scene):
    """A model at 24 kHz knows nothing above 12 kHz: what is there must come through."""
    speech, bed = scene
    time = np.arange(len(bed)) / 48000
    high = (0.05 * np.sin(2 * np.pi * 17000 * time)).astype(np.float32)
    mixture = speech + bed + high
    result = mixture - whole(separator, mixture)
    window = np.hanning(len(high))
    difference = np.abs(np.fft.rfft((result - mixture) * window))
    reference = np.abs(np.fft.rfft(mixture * window))
    above = np.fft.rfftfreq(len(high), 1 / 48000) > 13000
    assert separator.samplerate == 24000
    assert np.sum(difference[above] ** 2) < 1e-6 * np.sum(reference[above] ** 2)


# --- the stage ---


@pytest.mark.parametrize("samples", [1, 7, 4801, 48000 * 3 + 1])
def test_sample_count_is_kept(tmp_path, separator, scene, samples):
    audio = write(tmp_path / "in.flac", (scene[0] + scene[1])[:samples])
    separate_file(audio, tmp_path / "out.flac", Settings(), separator)
    info = soundfile.info(tmp_path / "out.flac")
    assert (info.frames, info.samplerate, info.channels) == (samples, 48000, 1)
    assert info.subtype == "PCM_16"


@pytest.mark.parametrize("rate,channels", [(44100, 1), (48000, 2), (24000, 1)])
def test_rate_and_channels_are_kept(tmp_path, separator, scene, rate, channels):
    audio = np.repeat((scene[0] + scene[1])[: 4 * rate, None], channels, 1)
    write(tmp_path / "in.flac", audio, rate)
    separate_file(tmp_path / "in.flac", tmp_path / "out.flac", Settings(), separator)
    found, found_rate = soundfile.read(tmp_path / "out.flac", always_2d=True)
    assert found.shape == audio.shape and found_rate == rate
    assert 0.01 < np.std(found - audio) < np.std(audio)
    assert np.array_equal(found[:, 0], found[:, -1])


def test_chunks_change_nothing(tmp_path, separator, scene):
    mixture = scene[0] + scene[1]
    write(tmp_path / "in.wav", mixture, subtype="FLOAT")
    settings = Settings(chunk_seconds=10.0)
    with soundfile.SoundFile(tmp_path / "in.wav") as source:
        pieces = [piece[0] for piece in separated(source, separator, settings)]
    assert len(pieces) > 1
    change = np.concatenate(pieces) - (mixture - whole(separator, mixture))
    assert 10 * np.log10(np.mean(change**2) / np.mean(mixture**2)) < -60


def test_same_bytes_twice_also_with_random_shifts(tmp_path, separator, scene):
    write(tmp_path / "in.flac", (scene[0] + scene[1])[: 48000 * 12])
    settings = Settings(chunk_seconds=10.0, shifts=1)
    shifting = load.open_separator(settings)
    digests = set()
    for number in range(2):
        out = tmp_path / f"{number}.flac"
        separate_file(tmp_path / "in.flac", out, settings, shifting)
        digests.add(sha256(out))
    assert len(digests) == 1
    other = dataclasses.replace(settings, seed=1)
    separate_file(tmp_path / "in.flac", tmp_path / "other.flac", other, shifting)
    assert sha256(tmp_path / "other.flac") not in digests


def test_silence_stays_silence(tmp_path, separator):
    write(tmp_path / "in.flac", np.zeros(48000 * 2))
    separate_file(tmp_path / "in.flac", tmp_path / "out.flac", Settings(), separator)
    assert not soundfile.read(tmp_path / "out.flac")[0].any()


def test_a_dropped_track_stays_without_samples(tmp_path, monkeypatch):
    write_empty_flac(tmp_path / "in.flac")
    flags = ["--audio", str(tmp_path / "in.flac"), "--out", str(tmp_path / "out.flac")]
    monkeypatch.setattr(sys, "argv", ["separate", *flags])
    separate.main()
    assert flac_samples(tmp_path / "out.flac") == 0


def test_unusable_tracks_are_named_and_leave_nothing(tmp_path, separator):
    out = tmp_path / "out.flac"
    nan = np.zeros(4800, np.float32)
    nan[1234] = np.nan
    cases = {
        "zero samples": write(tmp_path / "empty.wav", np.zeros(0)),
        "at 1234": write(tmp_path / "nan.wav", nan, subtype="FLOAT"),
        "found 3": write(tmp_path / "wide.wav", np.zeros((100, 3))),
        "cannot read": tmp_path / "absent.flac",
    }
    (tmp_path / "text.flac").write_text("no audio")
    cases["cannot read audio"] = tmp_path / "text.flac"
    for message, path in cases.items():
        with pytest.raises(UserError, match=message):
            separate_file(path, out, Settings(), separator)
    assert not list(tmp_path.glob("*out*"))


class Rectifier(torch.nn.Module):
    """A model that calls the positive half-waves vocals."""

    sources = ["drums", "vocals", "other"]
    segment, samplerate = 5, 48000

    def __init__(self, channels):
        super().__init__()
        self.audio_channels = channels

    @property
    def model(self):
        return self

    def forward(self, audio):
        assert audio.shape[1] == self.audio_channels
        vocals = audio.clamp(min=0)
        return torch.stack([audio - vocals, vocals, 0 * audio], 1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("model_channels", [1, 2])
def test_any_separator_with_vocals_will_do(scene, channels, model_channels):
    audio = np.stack([scene[0] + scene[1], scene[1]])[:channels, 48000 : 48000 * 3]
    model = Rectifier(model_channels)
    speech = estimate(audio, 48000, model, Settings())
    rest = estimate(audio, 48000, model, Settings(output="stem"))
    np.testing.assert_allclose(speech, audio.clip(0), atol=1e-6)
    np.testing.assert_allclose(speech + rest, audio, atol=1e-6)


def test_command_line(tmp_path, scene):
    write(tmp_path / "-in;'.flac", (scene[0] + scene[1])[:96000])
    command = [sys.executable, "-m", "soundstage.nospeech.separate", "--audio=-in;'.flac"]
    done = subprocess.run([*command, "--out", "o.flac"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0 and b"2 s of audio" in done.stderr
    assert soundfile.info(tmp_path / "o.flac").frames == 96000
    settings = json.dumps({"separator_sha256": ["0" * 64]})
    command += ["--out", "p.flac", "--settings", settings]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert done.returncode == 2 and b"it was not opened" in done.stderr
    assert b"Traceback" not in done.stderr and not (tmp_path / "p.flac").exists()


def test_memory_does_not_grow_with_length(tmp_path):
    """Ten minutes need hardly more than one: two hours of samples alone would be 1.4 GB."""

    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 48000, 1, "PCM_16", format="FLAC") as target:
        for _ in range(20):
            target.write(np.random.default_rng(0).standard_normal(48000 * 30) * 0.1)
    settings = Settings(chunk_seconds=30.0)
    peaks = []
    with soundfile.SoundFile(path) as source:
        for piece in separated(source, Rectifier(1), settings):
            assert piece.dtype == np.float32
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert len(peaks) > 15
    assert peaks[-1] - peaks[2] < 30_000  # kB; the track is 115 MB as float32


# --- chunks ---


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.25, 0.7])
@pytest.mark.parametrize("model_hz", [24000, 44100])
def test_chunks_cover_a_track_once(overlap, model_hz):
    grid = Grid.of(5, overlap, model_hz, 48000)
    for total in (1, 48000, 48000 * 47 + 13):
        chunks = plan(total, grid, 10.0, 48000)
        edges = [0] + [chunk.stop for chunk in chunks]
        assert [chunk.start for chunk in chunks] == edges[:-1] and edges[-1] == total
        for chunk in chunks:
            assert 0 <= chunk.read_start <= chunk.start < chunk.stop <= chunk.blend
            assert chunk.blend <= chunk.read_stop <= total


def test_faded_chunks_of_one_signal_are_that_signal():
    signal = np.random.default_rng(0).standard_normal((1, 48000 * 31)).astype(np.float32)
    chunks = plan(signal.shape[1], Grid.of(5, 0.25, 24000, 48000), 10.0, 48000)
    pieces = list(joined(chunks, (signal[:, c.start : c.blend] for c in chunks)))
    assert len(pieces) > 2
    np.testing.assert_allclose(np.concatenate(pieces, 1), signal, atol=1e-6)


# --- measuring ---


def test_si_sdr_of_known_noise():
    rng = np.random.default_rng(0)
    bed = rng.standard_normal(100_000)
    noise = rng.standard_normal(100_000)
    noise -= bed * (noise @ bed) / (bed @ bed)
    noise *= np.linalg.norm(bed) / np.linalg.norm(noise) * 10 ** (-7 / 20)
    assert si_sdr_db(bed + noise, bed) == pytest.approx(7)
    assert si_sdr_db(-3 * (bed + noise), bed) == pytest.approx(7)
    assert np.isnan(si_sdr_db(bed, 0 * bed))


def test_comparison_of_a_known_result():
    rng = np.random.default_rng(0)
    bed = rng.standard_normal(48000 * 4).astype(np.float32)
    speech = rng.standard_normal(48000 * 4).astype(np.float32)
    speech[48000 * 2 :] = 0
    result = bed + 0.1 * speech
    result[48000 * 2 :] *= 1.1
    found = measure.compared(speech + bed, result, bed, [[0.0, 2.0]])
    assert found["speech_free_change_db"] == pytest.approx(-20, abs=0.1)
    assert found["mixture_db"] == pytest.approx(3, abs=0.2)
    assert found["gain_db"] == pytest.approx(found["result_db"] - found["mixture_db"])


def test_speech_free_passages_keep_their_distance():
    free = measure.speech_free([[1.0, 2.0], [2.4, 3.0]], 48000 * 4)
    assert free[: int(0.9 * 48000)].all() and free[-int(0.9 * 48000) :].all()
    assert free.sum() == 2 * int(0.9 * 48000)  # the 0.2 s between the lines are too short


# --- training ---


def tiny(**changes):
    quick = {"steps": 4, "scenes": 1, "valid_steps": 100, "excerpt_seconds": 0.5, "channels": 8}
    return train.Training(**{**quick, **changes})


@pytest.fixture
def quick_scenes(monkeypatch):
    rng = np.random.default_rng(0)
    sound = (rng.standard_normal((1, 24000 * 4)) * 0.1).astype(np.float16)
    monkeypatch.setattr(material, "scenes", lambda *_: (sound, sound[:, ::-1]))


def test_training_stopped_and_continued_is_the_same(tmp_path, quick_scenes, monkeypatch):
    once = train.train(tmp_path / "once", tiny())
    step, calls = train._step, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(train, "_step", dying)
    settings = tiny(checkpoint_seconds=-1.0)
    with pytest.raises(KeyboardInterrupt):
        train.train(tmp_path / "twice", settings)
    assert train.read_checkpoint(tmp_path / "twice" / "checkpoint.pt")["step"] == 2
    twice = train.train(tmp_path / "twice", settings)
    for key, value in once["average"].items():
        assert torch.equal(value, twice["average"][key]), key
    with pytest.raises(UserError, match="other settings"):
        train.train(tmp_path / "twice", tiny(seed=1))


def test_training_learns_and_packs(tmp_path, quick_scenes):
    settings = tiny()
    model = train.small_model(settings)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rng = np.random.default_rng(0)
    time = np.arange(12000) / 24000
    tone, noise = np.sin(2 * np.pi * 440 * time), rng.standard_normal(12000) * 0.7
    examples = tuple(x[None].astype(np.float32) for x in (tone + noise, tone, noise))
    losses = [train._step(model, optimiser, examples, 3e-3) for _ in range(25)]
    assert losses[-1] < losses[0] - 0.3
    first = package.write(model, tmp_path / "one", 25)
    assert first[1] == package.write(model, tmp_path / "two", 25)[1] == sha256(first[0])
    chosen = Settings(separator=str(tmp_path / "one"), separator_sha256=(first[1],))
    assert load.open_separator(chosen).model.sources == ["speech", "rest"]


def test_loss_is_the_log_of_the_error():
    speech, bed = torch.ones(1, 100), torch.zeros(1, 100)
    estimates = torch.zeros(1, 2, 1, 100)
    expected = np.log10(1 + train.FLOOR) + train.REST_WEIGHT * np.log10(train.FLOOR)
    assert train.loss_of(estimates, speech, bed).item() == pytest.approx(expected, rel=1e-5)


def test_examples_add_up_at_unit_level():
    rng = np.random.default_rng(0)
    pool = rng.standard_normal((2, 24000 * 4)).astype(np.float16)
    kinds = {"free": 0, "only": 0, "sum": 0}
    for _ in range(60):
        mixture, speech, bed = material.example(pool, pool[::-1], 12000, 24000, rng)
        assert np.std(mixture) == pytest.approx(1, abs=0.02)
        error = np.std(mixture - speech - bed)
        assert error < 0.25
        kinds["free"] += not speech.any()
        kinds["only"] += not bed.any()
        kinds["sum"] += error < 1e-6
    assert 3 <= kinds["free"] <= 25 and kinds["only"] >= 1 and 20 <= kinds["sum"] <= 50
