"""Teachers: the small networks behind the embedded standard features, shipped and trained anew."""

import hashlib

import numpy as np
import pytest
import torch

from soundstage.errors import UserError
from soundstage.teachers import miniature, miniature_train


def test_the_small_feature_networks_are_shipped_with_their_checksums(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (24, 32, 3), np.uint8) for _ in range(79)]
    assert miniature.Frame().features(pictures).shape == (80, 128)
    assert miniature.Motion().features(pictures).shape == (10, 64)
    assert miniature.Audio().features(rng.normal(0, 0.1, 48000 * 9).astype(np.float32)).shape == (10, 128)
    card = (miniature.SHIPPED / "MODEL_CARD.md").read_text()
    paths = [miniature.weights_file(name, miniature.SHIPPED) for name in miniature.SHAPES]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() in card for path in paths)
    changed = bytearray(paths[0].read_bytes())
    changed[-40] ^= 1
    (tmp_path / paths[0].name).write_bytes(changed)
    with pytest.raises(UserError, match="checksum"):
        miniature.Audio(tmp_path)
    with pytest.raises(UserError, match="expected one file frame-CHECKSUM.pt, found 0"):
        miniature.Frame(tmp_path)


def test_a_small_feature_network_learns_from_weak_labels_and_is_read_back(tmp_path):
    rng = np.random.default_rng(1)
    labels = rng.uniform(size=(40, len(miniature_train.CLASSES))) < 0.05
    sound = rng.normal(size=(40, 10, 96, 64)).astype(np.float16)
    scenes = {"audio": sound, "labels": labels, "known": np.ones_like(labels)}
    net, reached = miniature_train.train("audio", scenes, miniature_train.Size(epochs=1))
    path, digest = miniature.save("audio", net, tmp_path)
    assert path.stem == f"audio-{digest[:8]}" and 0 <= float(reached) <= 100
    part = torch.from_numpy(sound[0, :, None]).float()
    with torch.inference_mode():
        assert torch.allclose(miniature.trained("audio", tmp_path)(part), net.embed(part), atol=0.05, rtol=0.02)


def test_a_videos_probability_is_its_seconds_weighted_by_themselves():
    logits = torch.logit(torch.tensor([0.9, 0.1, 0.5, 0.5]))[:, None]
    found = miniature_train.video_probabilities(logits, 2)[:, 0].tolist()
    assert found == pytest.approx([(0.81 + 0.01) / 1.0, 0.5], abs=1e-6)
