"""The towers and what they read."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import mel_tolerance_db

from soundstage.errors import UserError
from soundstage.media import read_audio
from soundstage.model import inputs
from soundstage.model.settings import Inputs, Model
from soundstage.model.towers import build

PAPER_MEL = dataclasses.replace(Inputs(), fft_samples=1024, hop_samples=501, mels=96, mel_frames=288)


def test_windows_follow_the_tail_rule():
    seconds = lambda length: inputs.window_starts(length, 30, 15)  # noqa: E731  (tenths)
    assert seconds(10) == [0] and seconds(30) == [0] and seconds(40) == [0]
    assert seconds(45) == [0] and seconds(46) == [0, 16] and seconds(50) == [0, 20]
    assert seconds(60) == [0, 30] and seconds(110) == [0, 30, 60, 80]
    assert [len(seconds(n)) for n in (113, 186, 300)] == [4, 6, 10]


def test_audio_windows_are_padded_on_the_right():
    short = inputs.audio_windows(np.ones(48000, np.float32), Inputs())
    assert short.shape == (1, 144000) and short.dtype == np.float32
    assert short[0, :48000].all() and not short[0, 48000:].any()
    ramp = np.arange(5 * 48000, dtype=np.float32)
    long = inputs.audio_windows(ramp, Inputs())
    assert long.shape == (2, 144000) and long[1, 0] == 96000 and long[1, -1] == ramp[-1]


def test_video_windows_spread_their_pictures():
    whole = inputs.video_windows(75, Inputs())
    assert whole.tolist() == [[0, 10, 21, 31, 42, 52, 63, 74]]
    two = inputs.video_windows(125, Inputs())
    assert two.shape == (2, 8) and two[1, 0] == 50 and two[1, -1] == 124
    short = inputs.video_windows(3, Inputs())
    assert short.min() == 0 and short.max() == 2 and (np.diff(short[0]) >= 0).all()


def test_source_frames_put_any_rate_on_the_25_fps_grid():
    assert inputs.source_frames(50, 25).tolist() == list(range(50))
    assert inputs.source_frames(60, 30).tolist()[:6] == [0, 1, 2, 4, 5, 6]
    from_film = inputs.source_frames(48, 24)
    assert len(from_film) == 50 and from_film[-1] == 47 and set(np.diff(from_film)) <= {0, 1}


def test_log_mel_has_the_paper_values(shared):
    reference = np.load(shared / "reference/lssd_mel.npz")
    for stem in reference.files:
        (path,) = (shared / "media/esc50").rglob(f"{stem}*")
        audio = inputs.audio_windows(read_audio(path)[:144000], PAPER_MEL)
        found = inputs.log_mel(audio, PAPER_MEL)
        assert found.shape == (1, 1, 96, 288) and found.dtype == torch.float32
        off = np.abs(found[0, 0].numpy() - reference[stem])
        assert (off <= mel_tolerance_db(reference[stem])).all() and np.median(off) < 1e-4


def test_log_mel_is_in_decibels_with_a_floor():
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 0.1, (2, 144000)).astype(np.float32)
    mel = inputs.log_mel(noise, Inputs())
    assert mel.shape == (2, 1, 64, 96)
    louder = inputs.log_mel(noise * 10, Inputs())
    assert torch.allclose(louder - mel, torch.tensor(20.0), atol=1e-3)
    silent = inputs.log_mel(np.zeros((1, 144000), np.float32), Inputs())
    assert silent.min() == silent.max() == -100
    with pytest.raises(ValueError, match="96"):
        inputs.log_mel(noise[:, :9000], Inputs())


def test_pictures_are_resized_and_cut_from_the_centre():
    picture = np.zeros((8, 88, 156, 3), np.uint8)
    picture[:, :, 78:] = 200
    small = inputs.resize_frames(picture, Inputs())
    assert small.shape == (8, 44, 78, 3) and small.dtype == np.uint8
    assert small[0, 0, 0, 0] == 0 and small[0, 0, -1, 0] == 200
    video = inputs.to_video(small[None], Inputs())
    assert video.shape == (1, 3, 8, 40, 72)
    assert video.min() == 0 and abs(float(video.max()) - 200 / 255) < 1e-6
    assert torch.equal(video[0, 0, 0, 0] > 0.4, torch.arange(72) >= 36)


@pytest.mark.parametrize(
    ("height", "width", "inside"),
    [(120, 160, (44, 59)), (112, 268, (33, 78)), (44, 78, (44, 78)), (3000, 2, (44, 1))],
)
def test_a_picture_keeps_its_shape_between_grey_bars(height, width, inside):
    small = inputs.resize_frames(np.full((1, height, width, 3), 250, np.uint8), Inputs())[0]
    assert small.shape == (44, 78, 3) and set(np.unique(small)) <= {inputs.GREY, 250}
    seen = small[:, :, 0] == 250
    assert (seen.any(1).sum(), seen.any(0).sum()) == inside and seen.sum() == inside[0] * inside[1]
    left = seen.any(0).argmax()
    assert abs(2 * left + inside[1] - 78) <= 1  # in the middle


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return build(Model())


def test_towers_give_one_embedding_per_clip(net):
    net.eval()
    audio, video = torch.randn(3, 1, 64, 96), torch.rand(3, 3, 8, 40, 64)
    with torch.no_grad():
        for name, batch in (("audio", audio), ("video", video)):
            whole = net[name](batch)
            assert whole.shape == (3, net[name].dim) and whole.dtype == torch.float32
            alone = torch.cat([net[name](item[None]) for item in batch])
            assert torch.allclose(whole, alone, atol=1e-5)


def test_towers_normalise_their_input_without_constants(net):
    torch.manual_seed(1)
    audio = torch.randn(8, 1, 64, 96)
    net.train()
    with torch.no_grad():
        assert torch.allclose(net["audio"](audio), net["audio"](audio * 9 - 50), atol=1e-3)
    assert [name for name, _ in net["audio"].norm.named_parameters()] == []


def test_every_weight_gets_a_gradient(net):
    net.train()
    total = net["audio"](torch.randn(4, 1, 64, 96)).square().sum()
    total = total + net["video"](torch.rand(4, 3, 8, 40, 64)).square().sum()
    total.backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in net.parameters())


def test_the_audio_tower_hears_pitch_and_the_video_tower_sees_motion(net):
    net.eval()
    low, high = torch.zeros(2, 1, 1, 64, 96)
    low[:, :, 10:14], high[:, :, 50:54] = 5.0, 5.0
    forward = torch.rand(1, 3, 8, 40, 64)
    with torch.no_grad():
        assert (net["audio"](low) - net["audio"](high)).abs().max() > 1e-3
        assert (net["video"](forward) - net["video"](forward.flip(2))).abs().max() > 1e-3


def test_impossible_towers_are_refused():
    with pytest.raises(UserError, match="unknown towers"):
        build(dataclasses.replace(Model(), towers="huge"))
    with pytest.raises(UserError, match="8 frames cannot be joined by 3"):
        build(dataclasses.replace(Model(), tubelet_frames=3))
