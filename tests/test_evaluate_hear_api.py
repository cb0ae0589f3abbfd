"""The interface of HEAR's official kit over our audio towers."""

import numpy as np
import pytest
import torch

from soundstage.errors import UserError
from soundstage.evaluate import decode, frozen, hear_api
from soundstage.model.settings import Inputs, Model
from soundstage.model.towers import build


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("hear") / "model.pt"
    torch.manual_seed(0)
    weights = {f"backbone.{key}": value for key, value in build(Model()).state_dict().items()}
    torch.save({"model": weights, "settings": {"model": {}}, "run": "dubs", "seed": 0}, path)
    return path


@pytest.fixture(scope="module")
def model(path):
    return hear_api.load_model(str(path), hop_ms=500)


@pytest.fixture(scope="module")
def sounds():
    return torch.randn(2, 5 * 48000, generator=torch.Generator().manual_seed(1)) * 0.1


def test_a_scene_is_embedded_as_the_benchmarks_are(path, model, sounds):
    found = hear_api.get_scene_embeddings(sounds, model)
    towers = frozen.load(path)
    windows = decode.sound_windows(sounds[1].numpy(), towers.settings.inputs)
    expected = frozen.embed_sounds(towers, windows, np.zeros(len(windows), int), 1, 64)[0]
    assert found.shape == (2, model.scene_embedding_size) and found.dtype == torch.float32
    assert len(windows) == 2 and np.allclose(found[1], expected, atol=1e-5)
    assert not torch.allclose(found[0], found[1], atol=1e-5)


def test_time_stamps_are_centres_of_windows_at_the_hop(model, sounds):
    found, times = hear_api.get_timestamp_embeddings(sounds, model)
    assert found.shape == (2, 10, model.timestamp_embedding_size) and times.shape == (2, 10)
    assert times[1].tolist() == [500.0 * number for number in range(10)]
    middle = sounds[1:, 48000 : 4 * 48000]  # the window of 3 s around 2.5 s
    assert torch.allclose(found[1, 5], model(middle)[0], atol=1e-5)
    start = torch.nn.functional.pad(sounds[1:, : 3 * 24000], (3 * 24000, 0))  # half of the first is before the sound
    assert torch.allclose(found[1, 0], model(start)[0], atol=1e-5)


def test_a_sound_shorter_than_a_window_and_the_default_hop(path):
    model = hear_api.load_model(str(path))
    assert model.sample_rate == 48000
    starts, times = hear_api.timestamps(48000, Inputs(), model.hop_ms)
    assert len(times) == 20 and times[-1] == 950 and np.diff(starts).tolist() == [2400] * 19
    assert hear_api.get_scene_embeddings(torch.zeros(1, 24000), model).isfinite().all()


@pytest.mark.parametrize("shape", [(48000,), (1, 1, 48000), (2, 0)])
def test_another_shape_is_refused(model, shape):
    with pytest.raises(UserError, match=r"expected \(sounds, samples\) of sound at 48000 Hz"):
        hear_api.get_scene_embeddings(torch.zeros(shape), model)
