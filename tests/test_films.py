import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from soundstage.errors import UserError
from soundstage.films import extract, inspect
from soundstage.films.settings import Settings
from soundstage.media import flac_samples, probe, read_audio, read_flac, read_frames, write_flac

SECONDS = 4
HZ = 48000
PICTURE = ["-f", "lavfi", "-i", f"testsrc=s=64x48:r=25:d={SECONDS}"]


def ffmpeg(*words):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, words)], check=True)


@pytest.fixture(scope="module")
def planted():
    """Band-limited noise whose place in time is unmistakable, (samples,) float32."""
    rng = np.random.default_rng(3)
    spectrum = np.fft.rfft(rng.standard_normal(SECONDS * HZ))
    hertz = np.fft.rfftfreq(SECONDS * HZ, 1 / HZ)
    spectrum[(hertz < 200) | (hertz > 6000)] = 0
    noise = np.fft.irfft(spectrum)
    swell = 0.3 + np.abs(np.sin(np.arange(len(noise)) / 20000))
    return (0.15 * noise / noise.std() * swell).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, planted):
    path = tmp_path_factory.mktemp("films")
    write_flac(path / "sound.flac", planted)
    ffmpeg(*PICTURE, "-i", path / "sound.flac", "-c:v", "libx264", "-c:a", "flac", path / "film.mkv")
    return path


def lag_ms(heard, planted):
    size = 1 << 19
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(planted, size))
    place = int(np.argmax(np.fft.irfft(product, size)))
    return 1000 * (place - size if place > size // 2 else place) / HZ


CASES = {
    "flac in mkv": ("a.mkv", "flac", 0.0),
    "flac in mkv, 0.5 s late": ("b.mkv", "flac", 0.5),
    "aac in mp4": ("c.mp4", "aac", 0.0),
    "aac in mp4, 0.5 s late": ("d.mp4", "aac", 0.5),
    "aac in mkv": ("e.mkv", "aac", 0.0),
    "opus in mkv": ("f.mkv", "libopus", 0.0),
    "opus in mkv, 0.5 s late": ("g.mkv", "libopus", 0.5),
    "opus in webm": ("h.webm", "libopus", 0.0),
    "mp2 in a transport stream, 0.5 s late": ("i.ts", "mp2", 0.5),
    "flac in mkv, 0.25 s early": ("j.mkv", "flac", -0.25),
}


@pytest.mark.parametrize("case", CASES)
def test_sample_zero_is_picture_time_zero(folder, planted, case):
    name, codec, late = CASES[case]
    video = "libvpx" if name.endswith("webm") else "libx264"
    sound = ["-itsoffset", late, "-i", folder / "sound.flac"]
    ffmpeg(*PICTURE, *sound, "-c:v", video, "-c:a", codec, "-b:a", "128k", folder / name)
    assert lag_ms(read_audio(folder / name), planted) == pytest.approx(1000 * late, abs=1.0)


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.mp3", "libmp3lame"), ("a.opus", "libopus")])
def test_a_track_in_its_own_file_has_no_encoder_delay(folder, planted, name, codec):
    ffmpeg("-i", folder / "sound.flac", "-c:a", codec, folder / name)
    assert lag_ms(read_audio(folder / name), planted) == pytest.approx(0, abs=0.1)


def test_picture_starts_with_the_first_frame_and_keeps_a_variable_rate_on_time(folder):
    choose = "select='lt(n,25)+not(mod(n,2))'"
    out = folder / "variable.mkv"
    ffmpeg(*PICTURE, "-vf", choose, "-vsync", "vfr", "-c:v", "libx264", "-an", out)
    frames = list(read_frames(out, (64, 48)))
    whole = list(read_frames(folder / "film.mkv", (64, 48)))
    assert len(frames) in (SECONDS * 25, SECONDS * 25 - 1)
    for number in (10, 60, 90):
        off = [np.abs(frames[number].astype(int) - whole[k]).mean() for k in range(len(whole))]
        assert abs(int(np.argmin(off)) - number) <= 1


def run(folder, rows, path=None, **settings):
    target = folder / "out"
    return extract.extract(
        "film-1", str(path or folder / "film.mkv"), rows, target, Settings(**settings)
    ), target


def row(path, stream=0, language="en"):
    return {"language": language, "path": str(path), "stream": stream}


def test_extract_writes_mono_flac_and_describes_the_film(folder, planted):
    result, target = run(folder, [row(folder / "film.mkv")])
    audio, rate = read_flac(target / "en.flac")
    info = soundfile.info(target / "en.flac")
    assert (rate, info.channels, info.subtype) == (HZ, 1, "PCM_16")
    assert np.abs(audio - planted).max() < 2 / 32768
    assert result["status"] == "ok" and result["tracks"][0]["samples"] == len(planted)
    assert result["picture"]["frames_per_second"] == pytest.approx(25)
    first = (target / "en.flac").read_bytes()
    run(folder, [row(folder / "film.mkv")])
    assert (target / "en.flac").read_bytes() == first


def bad_files(folder):
    """Return {name: (picture file, track row, words of the reason)}."""
    film = folder / "film.mkv"
    (folder / "text.mp4").write_text("this is no film\n" * 100)
    (folder / "empty.mkv").write_bytes(b"")
    (folder / "cut.mkv").write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    sound = (folder / "sound.flac").read_bytes()
    (folder / "cut.flac").write_bytes(sound[: len(sound) // 2])
    ffmpeg(*PICTURE, "-c:v", "libx264", folder / "mute.mkv")
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=1:d=6", "-c:v", "libx264", folder / "slow.mkv")
    gap = "setpts='if(gt(N,50),PTS+5/TB,PTS)'"
    ffmpeg(*PICTURE, "-vf", gap, "-vsync", "vfr", "-c:v", "libx264", folder / "gap.mkv")
    return {
        "missing file": (film, row(folder / "absent.m4a"), "found nothing"),
        "missing stream": (film, row(film, 5), "audio stream a:5, found 1"),
        "no audio": (film, row(folder / "mute.mkv"), "found 0 audio stream"),
        "zero length": (film, row(folder / "empty.mkv"), "0 bytes"),
        "truncated track": (film, row(folder / "cut.flac"), "truncated"),
        "text as a track": (film, row(folder / "text.mp4"), "cannot read media"),
        "truncated film": (folder / "cut.mkv", row(folder / "cut.mkv"), "truncated"),
        "text as a film": (folder / "text.mp4", row(film), "cannot read media"),
        "no picture": (folder / "sound.flac", row(film), "no picture"),
        "slow": (folder / "slow.mkv", row(film), "frame rate cannot be mapped"),
        "gap": (folder / "gap.mkv", row(film), "variable frame rate"),
    }


def test_bad_files_stop_or_drop_with_their_reason(folder):
    for name, (path, track, words) in bad_files(folder).items():
        with pytest.raises(UserError, match=words):
            run(folder, [track], path)
        result, target = run(folder, [track, row(folder / "film.mkv", 0, "fr")], path, on_bad_file="drop")
        said = result["reason"] or result["tracks"][0]["reason"]
        assert words in said, name
        assert flac_samples(target / "en.flac") == 0 and len(read_flac(target / "en.flac")[0]) == 0
        whole_film = path != folder / "film.mkv"
        assert (result["status"] == "dropped") == whole_film, name
        assert (flac_samples(target / "fr.flac") == 0) == whole_film, name


def test_an_empty_flac_is_a_flac_for_others_too(folder):
    _, target = run(folder, [row(folder / "absent.m4a")], on_bad_file="drop")
    stream = probe(target / "en.flac")["streams"][0]
    assert (stream["codec_name"], stream["sample_rate"]) == ("flac", "48000")


def test_rate_of_times():
    assert inspect.frame_rate(np.arange(50) / 25) == (pytest.approx(25), False)
    rounded = np.round(np.arange(240) * 1001 / 24000, 3)
    assert inspect.frame_rate(rounded) == (pytest.approx(24000 / 1001, rel=1e-3), False)
    mixed = np.cumsum([0.04, 0.08] * 20)
    assert inspect.frame_rate(mixed)[1]


@pytest.mark.parametrize("name", ["-film.mkv", "a b'c\";d $(x).mkv", "concat:a|b.mkv", "ünï%03d.mkv"])
def test_hostile_names_are_only_names(folder, tmp_path, monkeypatch, name):
    os.link(folder / "film.mkv", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    rows = json.dumps([row(name)])
    command = [sys.executable, "-m", "soundstage.films.extract", "--film", "film-1", f"--path={name}"]
    command += ["--tracks", rows, "--out", "probe.json", "--audio-folder", "audio"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert flac_samples(tmp_path / "audio" / "en.flac") == SECONDS * HZ
    assert sorted(os.listdir(tmp_path)) == sorted(["audio", "probe.json", name])


def test_a_playlist_cannot_reach_other_protocols(tmp_path):
    (tmp_path / "list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(UserError):
        read_audio(tmp_path / "list.m3u8")


def test_command_line_says_what_is_wrong(folder):
    for words, said in [
        (["--track", "en"], "expected LANG=FILE"),
        (["--tracks", "[1]"], "expected a JSON list"),
        (["--tracks", "[]"], "at least one track"),
        (["--track", "../x=a.mkv"], "expected LANG=FILE"),
        (["--track", "en=a.mkv", "--track", "en=b.mkv"], "given twice"),
    ]:
        command = [sys.executable, "-m", "soundstage.films.extract", "--film", "f", "--path", "a.mkv"]
        command += [*words, "--out", folder / "p.json", "--audio-folder", folder / "x"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
