"""What of a file's sound is read, and whether the file is whole, by container."""

import subprocess

import numpy as np
import pytest
import soundfile

from soundstage.align import estimate
from soundstage.errors import UserError

HZ = 48000
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
