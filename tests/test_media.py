"""What of a file's sound is read, and whether the file is whole, by container."""

import subprocess

import numpy as np
import pytest
import soundfile

from soundstage import media
from soundstage.align import estimate
from soundstage.align.settings import Settings
from soundstage.errors import UserError

HZ = 48000
SETTINGS = Settings()
CONTAINERS = {
    "wav": ["-c:a", "pcm_s16le"],
    "w64": ["-c:a", "pcm_s16le"],
    "caf": ["-c:a", "pcm_s16be"],
    "aiff": ["-c:a", "pcm_s16be"],
    "flac": [],
    "mka": ["-c:a", "flac"],
    "avi": ["-c:a", "mp2"],
    "wma": ["-c:a", "wmav2"],
    "flv": ["-c:a", "aac", "-aac_coder", "fast"],
}


def noise(seconds, channels=1, seed=0):
    shape = (seconds * HZ, channels) if channels > 1 else seconds * HZ
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def ffmpeg(*words):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, words)], check=True)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_file_cut_in_half_is_told_from_a_whole_one(tmp_path, suffix):
    soundfile.write(tmp_path / "s.wav", noise(6), HZ)
    ffmpeg("-i", tmp_path / "s.wav", *CONTAINERS[suffix], tmp_path / f"whole.{suffix}")
    data = (tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"half.{suffix}").write_bytes(data[: len(data) // 2])
    assert len(estimate.load(tmp_path / f"whole.{suffix}")) == pytest.approx(6 * 16000, abs=2000)
    with pytest.raises(UserError, match="truncated"):
        estimate.load(tmp_path / f"half.{suffix}")


@pytest.mark.parametrize("suffix", ["avi", "flv", "wmv"])
def test_with_a_picture_too_and_where_the_sound_starts_late(tmp_path, suffix):
    soundfile.write(tmp_path / "s.wav", noise(6), HZ)
    picture = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=6"]
    sound = {"avi": "mp2", "flv": "aac", "wmv": "wmav2"}[suffix]
    for name, late in (("whole", 0), ("late", 2)):
        given = [*picture, "-itsoffset", late, "-i", tmp_path / "s.wav", "-map", 0, "-map", 1, "-c:a", sound]
        ffmpeg(*given, tmp_path / f"{name}.{suffix}")
        estimate.load(tmp_path / f"{name}.{suffix}")
    data = (tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"half.{suffix}").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="truncated"):
        estimate.load(tmp_path / f"half.{suffix}")


def test_channels_that_cancel_are_read_from_the_louder_one(tmp_path):
    sound = noise(8)
    for name, right in (("opposite", -0.999), ("alike", 1.0), ("nearly", -0.5)):
        soundfile.write(tmp_path / f"{name}.wav", np.stack([sound, right * sound], axis=1), HZ, subtype="FLOAT")
    found = media.read_audio(tmp_path / "opposite.wav")
    assert np.abs(found - sound).max() < 1e-6
    assert (np.concatenate(list(media.stream_audio(tmp_path / "opposite.wav", block_samples=1 << 16))) == found).all()
    samples, _ = media.extract_flac(tmp_path / "opposite.wav", 0, tmp_path / "o.flac")
    assert samples == len(sound) and np.abs(media.read_flac(tmp_path / "o.flac")[0] - sound).max() < 1e-4
    for name, right in (("alike", 1.0), ("nearly", -0.5)):
        summed = np.sqrt(0.5) * (1 + right) * sound  # so ffmpeg adds two channels of floats
        assert np.abs(media.read_audio(tmp_path / f"{name}.wav") - summed).max() < 1e-6
    low = estimate.load(tmp_path / "opposite.wav")
    assert "silent" not in estimate.estimate_low([(low, low)], SETTINGS)["reason"]


def test_a_faint_beginning_does_not_change_what_is_read(tmp_path):
    sound = noise(4, 2)
    sound[: 2 * HZ] *= 1e-4
    soundfile.write(tmp_path / "s.wav", sound, HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "silent.wav", 0 * sound, HZ)
    found = np.concatenate(list(media.stream_audio(tmp_path / "s.wav", block_samples=1 << 14)))
    assert (found == media.read_audio(tmp_path / "s.wav")).all() and len(found) == 4 * HZ
    assert not media.read_audio(tmp_path / "silent.wav").any()
    assert sum(map(len, media.stream_audio(tmp_path / "silent.wav"))) == 4 * HZ


@pytest.mark.parametrize(("first", "count"), [(0, 5000), (70000, 90000), (180000, 90000), (400000, 10)])
def test_a_passage_is_what_lies_there_in_the_whole(tmp_path, first, count):
    soundfile.write(tmp_path / "s.wav", noise(4, 2), HZ)
    ffmpeg("-i", tmp_path / "s.wav", "-c:a", "libopus", tmp_path / "s.mka")
    whole = media.read_audio(tmp_path / "s.mka")
    assert (media.read_passage(tmp_path / "s.mka", 0, first, count) == whole[first : first + count]).all()
