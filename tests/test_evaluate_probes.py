"""Other protocols than the linear probe: HEAR's network and its search, the support vector machine."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from soundstage.errors import UserError
from soundstage.evaluate import mlp, protocols, run, store
from soundstage.evaluate.metrics import accuracy_percent, auc_percent, chance_percent, chroma_accuracy_percent
from soundstage.evaluate.roles import TEST, TRAIN, VALID, disjoint, rotate
from soundstage.evaluate.settings import Settings

SHORT = dataclasses.replace(mlp.OFFICIAL, most_epochs=6)


def blobs(clips, classes, spread, dim=16):
    """Return embeddings around one centre per class, of known separability, and labels."""
    centres = np.random.default_rng(99).normal(size=(classes, dim))
    number = np.arange(clips) % classes
    features = centres[number] + spread * np.random.default_rng(0).normal(size=(clips, dim))
    return features, np.eye(classes, dtype=np.uint8)[number]


def split(clips, train, valid):
    row = np.full(clips, TEST)
    row[:train], row[train : train + valid] = TRAIN, VALID
    return row[None]


def test_the_grid_is_drawn_as_the_official_kit_draws_it():
    points = mlp.grid()
    assert len(set(points)) == 16
    assert [(p.hidden_layers, p.initialisation[0], p.learning_rate) for p in points[:8]] == [
        (1, "n", 1e-4),
        (2, "u", 1e-3),
        (1, "n", 1e-3),
        (1, "n", 3.2e-4),
        (2, "n", 3.2e-4),
        (2, "u", 3.2e-4),
        (2, "n", 3.2e-3),
        (2, "u", 3.2e-3),
    ]


def test_hears_probe_agrees_with_logistic_regression_within_a_point():
    features, labels = blobs(7600, 10, 1.3)
    role = split(7600, 2000, 400)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(features[:2000], labels[:2000].argmax(1))
    expected = 100 * model.score(features[2400:], labels[2400:].argmax(1))
    protocol = dataclasses.replace(mlp.OFFICIAL, points=1)
    fold = mlp.mlp(features, labels, role, "accuracy_percent", Settings(), protocol)[0]
    assert len(fold.test) == 5200 and 60 < expected < 97
    assert accuracy_percent(fold.scores, labels[fold.test]) == pytest.approx(expected, abs=1)
    assert np.allclose(fold.scores.sum(1), 1)


def test_points_trained_together_end_as_each_alone():
    features, labels = blobs(700, 5, 2.0)
    data = [torch.from_numpy(x.astype(np.float32)) for x in (features, labels)]
    rows = mlp.Rows(*data, split(700, 300, 100)[0], "accuracy_percent")
    points = [mlp.Point(1, "normal", 1e-3), mlp.Point(2, "uniform", 1e-3), mlp.Point(1, "uniform", 1e-4)]
    protocol = dataclasses.replace(SHORT, most_epochs=3, batch_rows=128)
    together = mlp.search(rows, points, protocol, 0)
    alone = mlp.search(rows, points, dataclasses.replace(protocol, together=False), 0)
    for one, other in zip(together, alone, strict=True):
        assert one.score == other.score
        for a, b in zip(one.net.state_dict().values(), other.net.state_dict().values(), strict=True):
            assert torch.allclose(a.float(), b.float(), atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("training", [True, False])
def test_one_product_for_all_networks_is_each_networks_own(layers, training):
    nets = [mlp.Net(mlp.Point(layers, "normal", rate), 12, 3, seed) for seed, rate in enumerate((1e-3, 1e-4))]
    x = torch.randn(20, 12, generator=torch.Generator().manual_seed(0))
    found = [
        mlp.forward(nets, x, torch.Generator().manual_seed(1) if training else None, batched)
        for batched in (True, False)
    ]
    assert found[0].shape == (2, 20, 3) and torch.allclose(*found, atol=1e-5)
    assert float((found[0][0] - found[0][1]).abs().max()) > 0.1


def test_a_network_is_the_published_one_and_starts_as_published():
    net = mlp.Net(mlp.Point(2, "uniform", 1e-3), 64, 7, 0)
    assert [tuple(layer.weight.shape) for layer in net.layers] == [(1024, 64), (1024, 1024), (7, 1024)]
    for layer, gain in zip(net.layers, (1, 2**0.5, 2**0.5), strict=True):
        bound = gain * (6 / sum(layer.weight.shape)) ** 0.5
        assert 0.9 * bound < float(layer.weight.abs().max()) <= bound


def test_training_stops_when_the_first_metric_has_not_risen_and_keeps_the_best(monkeypatch):
    features, labels = blobs(60, 2, 0.5)
    data = [torch.from_numpy(x.astype(np.float32)) for x in (features, labels)]
    rows = mlp.Rows(*data, split(60, 30, 10)[0], "accuracy_percent")
    scores = iter([50, 70, 60, 70, 60, 90])
    monkeypatch.setattr(rows, "score", lambda found: next(scores))
    protocol = dataclasses.replace(SHORT, most_epochs=500, patience=3)
    result = mlp.search(rows, [mlp.Point(1, "normal", 1e-3)], protocol, 0)[0]
    assert result.score == 70 and next(scores) == 90  # 3 checks after the best one there was an end
    assert all((result.net.state_dict()[key] == value).all() for key, value in result.best.items())


def test_the_search_is_made_on_the_first_rotation_alone_or_in_each(monkeypatch):
    features, labels = blobs(90, 3, 1.0)
    roles = rotate(np.arange(90) % 3)
    tried = []
    search = mlp.search
    monkeypatch.setattr(mlp, "search", lambda data, points, *more: tried.append(points) or search(data, points, *more))
    first = mlp.mlp(features, labels, roles, "accuracy_percent", Settings(), dataclasses.replace(SHORT, points=3))
    assert [len(points) for points in tried] == [3, 1, 1] and tried[1] == tried[2]
    assert [len(fold.validation) for fold in first] == [3, 1, 1]
    assert len({fold.strength for fold in first}) == 1
    tried.clear()
    short = dataclasses.replace(mlp.FRESH, most_epochs=3, points=2)
    mlp.mlp(features, labels, roles, "accuracy_percent", Settings(), short)
    assert [len(points) for points in tried] == [2, 2, 2]


def test_embeddings_and_labels_are_put_where_the_gpu_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert mlp.device() == "cuda"
    monkeypatch.setattr(mlp, "device", lambda: "meta")
    features, targets = mlp.placed(np.ones((3, 2)), np.ones((3, 1), np.uint8))
    assert {features.device.type, targets.device.type} == {"meta"} and features.dtype == targets.dtype == torch.float32


def test_official_batches_are_never_shuffled_again_and_fresh_ones_are(monkeypatch):
    features, labels = blobs(40, 2, 1.0)
    data = [torch.from_numpy(x.astype(np.float32)) for x in (features, labels)]
    rows = mlp.Rows(*data, split(40, 20, 10)[0], "accuracy_percent")
    seen = []
    monkeypatch.setattr(mlp, "step", lambda nets, optimiser, data, rows, draw: seen.append(rows.tolist()))
    for protocol, different in ((mlp.OFFICIAL, 1), (mlp.FRESH, 3)):
        seen.clear()
        protocol = dataclasses.replace(protocol, most_epochs=3)
        mlp.search(rows, [mlp.Point(1, "normal", 1e-3)], protocol, 0)
        assert len({tuple(one) for one in seen}) == different and all(sorted(one) == list(range(20)) for one in seen)


def test_several_labels_a_clip_are_answered_each_for_itself():
    rng = np.random.default_rng(5)
    features = rng.normal(size=(900, 8))
    labels = (features[:, :3] + 0.3 * rng.normal(size=(900, 3)) > 0.5).astype(np.uint8)
    protocol = dataclasses.replace(mlp.OFFICIAL, points=3, most_epochs=30)
    fold = mlp.mlp(features, labels, split(900, 500, 200), "map_percent", Settings(), protocol)[0]
    assert run.METRICS["map_percent"](fold.scores, labels[fold.test]) > 85
    assert not np.allclose(fold.scores.sum(1), 1) and fold.scores.max() <= 1


def test_nobody_is_in_two_folds_where_speakers_are_known():
    rng = np.random.default_rng(0)
    speakers = np.array([f"s{i}" for i in rng.integers(0, 12, 240)])
    labels = np.eye(4)[rng.integers(0, 4, 240)]
    roles = rotate(rng.integers(0, 5, 240))
    found = disjoint(roles, speakers, labels)
    assert found.shape == roles.shape and ((found == TEST).sum(axis=0) == 1).all()
    for role in found:
        parts = [set(speakers[role == wanted]) for wanted in (TRAIN, VALID, TEST)]
        assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert disjoint(roles, None, labels) is roles and disjoint(roles[:1], speakers, labels) is not None


def test_support_vector_machine_is_that_of_scikit_learn():
    features, labels = blobs(900, 3, 1.5)
    role = split(900, 200, 100)
    fold = protocols.apply("svm", features, labels, role, "accuracy_percent", Settings())[0]
    model = make_pipeline(StandardScaler(), LinearSVC(C=fold.strength, max_iter=1000, random_state=0))
    model.fit(features[:300], labels[:300].argmax(1))
    expected = 100 * model.score(features[300:], labels[300:].argmax(1))
    assert accuracy_percent(fold.scores, labels[fold.test]) == pytest.approx(expected, abs=0.2)
    assert len(fold.validation) == 6 and 60 < expected < 97


def test_area_under_the_curve_and_chroma():
    rng = np.random.default_rng(0)
    labels = (rng.random((200, 4)) < 0.3).astype(int)
    scores = rng.normal(size=(200, 4)).round(1)
    assert auc_percent(scores, labels) == pytest.approx(100 * roc_auc_score(labels, scores, average="macro"))
    assert np.isnan(auc_percent(scores, np.zeros((200, 4)))) and chance_percent("auc_percent", labels) == 50
    pitches = np.eye(88)
    assert chroma_accuracy_percent(pitches[[0, 5, 40]], pitches[[12, 29, 41]]) == pytest.approx(200 / 3)
    assert chance_percent("chroma_accuracy_percent", pitches[[0, 12, 24, 3]]) == 75


def test_who_is_heard_in_training_and_test_is_said():
    folds = [SimpleNamespace(test=np.array(test)) for test in ([0, 1], [2, 3])]
    assert run.heard(folds, None) == "unknown"
    assert run.heard(folds, np.array(["a", "a", "b", "b"])) == "apart"
    assert run.heard(folds, np.array(["a", "b", "b", "c"])) == "shared"


def test_a_benchmark_can_have_a_probe_of_its_own_with_all_its_metrics():
    features, labels = blobs(300, 12, 0.5)
    about = {"benchmark": "nsynth", "group": "music", "metric": "accuracy_percent", "dropped": [], "flagged": []}
    about["more_metrics"] = ["chroma_accuracy_percent"]
    none = np.arange(300)
    decoded = store.Decoded(about, none.astype(str), labels, split(300, 150, 50), none, none, none, none)
    entries, lines = run.score(decoded, {"audio": features}, Settings(probes={"nsynth": ("svm", "linear")}))
    assert [(e["probe"], e["metric"], e["primary"]) for e in entries] == [
        ("svm", "accuracy_percent", True),
        ("svm", "chroma_accuracy_percent", False),
        ("linear", "accuracy_percent", False),
        ("linear", "chroma_accuracy_percent", False),
    ]
    assert len(lines) == 100 and {e["speakers"] for e in entries} == {"unknown"}
    with pytest.raises(UserError, match="expected one of linear, svm, hear, hear_fresh, found 'mlp'"):
        Settings(probes={"nsynth": ("mlp",)})
