"""What paper A's towers read of sound and pictures."""

import numpy as np
import torch
from conftest import mel_tolerance_db

from soundstage.media import read_audio
from soundstage.model import lssd_inputs


def test_the_log_mel_is_the_papers(shared):
    reference = np.load(shared / "reference/lssd_mel.npz")
    for stem in reference.files:
        (path,) = (shared / "media/esc50").rglob(f"{stem}*")
        found = lssd_inputs.evaluation_sound(read_audio(path))
        assert found.shape[1:] == (1, 96, 288) and found.dtype == torch.float32
        off = np.abs(found[0, 0].numpy() - reference[stem])
        assert (off <= mel_tolerance_db(reference[stem])).all() and np.median(off) < 1e-4


def test_windows_of_the_benchmarks_are_as_many_as_the_paper_has():
    for seconds, windows in ((1, 1), (4, 1), (5, 2), (11.26, 4), (18.64, 6), (30, 10)):
        assert len(lssd_inputs.evaluation_sound(np.zeros(int(seconds * 48000), np.float32))) == windows


def test_sixteen_pictures_are_taken_from_the_25_fps_grid():
    places = np.linspace(0, 74, 16).astype(int)
    assert lssd_inputs.evaluation_frames(75, 25).tolist() == [places.tolist()]
    assert lssd_inputs.evaluation_frames(90, 30).tolist() == [np.floor(places * 1.2 + 0.5).astype(int).tolist()]
    assert lssd_inputs.evaluation_frames(125, 25)[:, [0, -1]].tolist() == [[0, 74], [50, 124]]
    assert lssd_inputs.evaluation_frames(24, 24).max() == 23


def slope(height, width):
    """Sixteen pictures whose red grows downwards and green to the right, both from 0 to 240."""
    red, green = np.linspace(0, 240, height)[:, None], np.linspace(0, 240, width)[None]
    picture = np.stack([red + 0 * green, 0 * red + green, 0 * red + 0 * green + 100], -1)
    return np.repeat(picture[None].astype(np.uint8), 16, 0)


def test_five_crops_lie_in_the_corners_and_the_centre():
    crops = lssd_inputs.evaluation_pictures(slope(360, 640))
    assert crops.shape == (5, 3, 16, 224, 224) and crops.dtype == torch.float32
    assert crops.min() >= 0 and crops.max() <= 1 and abs(float(crops[0, 2].mean()) - 100 / 255) < 1e-6
    red, green = (crops[:, colour].mean((1, 2, 3)).tolist() for colour in (0, 1))
    assert red[0] == red[1] < red[4] < red[2] == red[3]
    assert green[0] == green[2] < green[4] < green[1] == green[3]
    assert abs(red[4] - 120 / 255) < 0.01 and abs(green[4] - 120 / 255) < 0.01


def test_the_shorter_side_is_scaled_whichever_it_is():
    assert lssd_inputs.scaled(slope(360, 640), 256).shape == (16, 3, 256, 455)
    assert lssd_inputs.scaled(slope(640, 360), 320).shape == (16, 3, 568, 320)


def test_training_crops_are_random_in_size_and_place_and_named_by_their_generator():
    frames = slope(256, 300)
    crops = [lssd_inputs.training_pictures(frames, np.random.default_rng(seed)) for seed in range(12)]
    assert all(crop.shape == (16, 224, 224, 3) and crop.dtype == np.uint8 for crop in crops)
    slopes = {round(float(crop[0, -1, 0, 0]) - float(crop[0, 0, 0, 0])) for crop in crops}
    assert min(slopes) < 185 and max(slopes) > 195  # 240 * 224 / 320 and 240 * 224 / 256
    assert np.array_equal(crops[3], lssd_inputs.training_pictures(frames, np.random.default_rng(3)))
    small = lssd_inputs.training_pictures(frames, np.random.default_rng(0), (40, 44), (40, 40))
    assert small.shape == (16, 40, 40, 3)


def test_a_training_crop_is_a_part_of_the_scaled_picture():
    frames = np.random.default_rng(0).integers(0, 256, (2, 30, 44, 3)).astype(np.uint8)
    for side in (30, 36, 47):
        found = lssd_inputs.training_pictures(frames, np.random.default_rng(side), (side, side), (24, 28))
        whole = lssd_inputs.scaled(frames, side).permute(0, 2, 3, 1).numpy()
        places = [(top, left) for top in range(whole.shape[1] - 23) for left in range(whole.shape[2] - 27)]
        gaps = [np.abs(whole[:, y : y + 24, x : x + 28] - found).max() for y, x in places]
        assert min(gaps) < 1.5 and sorted(gaps)[1] > 50
