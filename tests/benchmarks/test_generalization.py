"""The generalization study measures what it says, on small networks and against plain sweeps, and is one command."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from scipy import stats

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "benchmarks" / "generalization"
SIDE, CLASSES = 6, 4
NETWORKS = [f"{number:03d}-{kind}" for number in range(4) for kind in ("fc", "conv")]
GAPS = [0.3, 0.1, 0.5, 0.2, 0.25, 0.4, 0.15, 0.35]
TRAINER = """
import argparse, shutil
parser = argparse.ArgumentParser()
for name in ("--out", "--data", "--networks"):
    parser.add_argument(name)
arguments = parser.parse_args()
assert arguments.networks == "8"
shutil.copytree(arguments.data, arguments.out, dirs_exist_ok=True)
"""


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(SCRIPTS))
    import study as module

    yield module
    sys.path.remove(str(SCRIPTS))


def network(kind, number):
    """Two hidden layers of ReLUs; networks of larger numbers have larger weights."""

    def weight(*shape):
        scale = (1 + 0.2 * number) * np.sqrt(2 / np.prod(shape[1:]))
        return small_models.normal(*shape, seed=len(shape) + shape[0] + number, scale=scale)

    width = {"fc": 32, "conv": 8}[kind]
    biases = {"b1": small_models.normal(width, seed=number), "b2": small_models.normal(32, seed=number)}
    signature = f"{kind} (float[N, 1, {SIDE}, {SIDE}] image) => (float[N, {CLASSES}] logits)"
    if kind == "fc":
        text = """
            flat = Flatten (image) h1 = Gemm <transB = 1> (flat, w1, b1) a1 = Relu (h1)
            h2 = Gemm <transB = 1> (a1, w2, b2) a2 = Relu (h2) logits = Gemm <transB = 1> (a2, w3)
        """
        weights = {"w1": weight(32, SIDE**2), "w2": weight(32, 32), "w3": weight(CLASSES, 32)}
    else:
        text = """
            h1 = Conv <pads = [1, 1, 1, 1]> (image, w1, b1) a1 = Relu (h1)
            h2 = Conv <strides = [2, 2]> (a1, w2, b2) a2 = Relu (h2)
            flat = Flatten (a2) logits = Gemm <transB = 1> (flat, w3)
        """
        weights = {"w1": weight(8, 1, 3, 3), "w2": weight(32, 8, 3, 3), "w3": weight(CLASSES, 32 * 4)}
    return small_models.build(f"{signature} {{ {text} }}", {**weights, **biases})


def pictures(count, seed):
    return small_models.normal(count, 1, SIDE, SIDE, seed=seed)


def run(path, points):
    """Logits, and whether each unit is on: a plain session that hands out all ReLUs."""
    model = onnx.load(path)
    units = [node.output[0] for node in model.graph.node if node.op_type == "Relu"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in units)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits, *activations = session.run(None, {"image": points.astype(np.float32)})
    return logits.astype(np.float64), np.hstack([(a > 0).reshape(len(points), -1) for a in activations])


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def plain_norms(path, images):
    """Differences of logits along each pixel, and the softmax's derivative by its formula."""
    step = 2.0**-8
    nudges = step * np.eye(SIDE**2).reshape(1, -1, 1, SIDE, SIDE)
    above, below = (
        run(path, (images[:, np.newaxis] + way * nudges).reshape(-1, 1, SIDE, SIDE))[0] for way in (1, -1)
    )
    slopes = ((above - below) / (2 * step)).reshape(len(images), SIDE**2, CLASSES)
    norms = []
    for slope, p in zip(slopes, softmax(run(path, images)[0]), strict=True):
        norms.append(np.linalg.norm(slope @ (np.diag(p) - np.outer(p, p))))
    return np.array(norms)


def plain_counts(path, corners, between):
    """Units that switch from each to the next of many even points between corners."""
    shares = np.arange(between).reshape(-1, 1, 1, 1) / between
    points = [a + shares * (b - a) for a, b in pairwise(corners)]
    on = run(path, np.concatenate([*points, corners[-1:]]))[1]
    return (on[1:] != on[:-1]).sum(axis=1)


@pytest.fixture(scope="module", params=["fc", "conv"])
def path(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("network") / f"{request.param}.onnx"
    onnx.save(network(request.param, 1), file)
    return file


def test_norms_are_those_of_differences_along_every_pixel(scripts, path):
    images = pictures(20, seed=1)
    found, expected = scripts.metrics.jacobian_norms(path, images), plain_norms(path, images)
    # Steps that cross a kink make either wrong, at some pictures.
    np.testing.assert_allclose(found, expected, rtol=0.05)
    np.testing.assert_allclose(np.median(found / expected), 1, rtol=2e-3)


def test_densities_are_those_of_even_points_on_the_ring(scripts, path):
    images = pictures(4, seed=2)
    found = scripts.metrics.transition_densities(path, images)
    for image, density in zip(images.astype(np.float64), found, strict=True):
        shifted = [
            np.concatenate([image[..., SIDE - shift :], image[..., : SIDE - shift]], axis=-1)
            for shift in range(SIDE)
        ]
        length = sum(np.linalg.norm(shifted[i] - shifted[i - 1]) for i in range(SIDE))
        count = plain_counts(path, np.stack([*shifted, image]), 500).sum()
        assert count > 100
        assert density * length == pytest.approx(count, abs=0.02 * count)


def test_profiles_are_those_of_even_points_on_each_tenth(scripts, path):
    starts, ends = pictures(3, seed=3), pictures(3, seed=4)
    found = scripts.metrics.transition_profiles(path, starts, ends)
    for start, end, profile in zip(starts.astype(np.float64), ends, found, strict=True):
        corners = np.stack([start, end])
        tenths = plain_counts(path, corners, 5000).reshape(10, -1).sum(axis=1)
        assert tenths.sum() > 15
        np.testing.assert_allclose(profile * np.linalg.norm(end - start) / 10, tenths, atol=0.01)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What training would write: eight networks that fit, of which the first has another for its beginning."""
    folder = tmp_path_factory.mktemp("made")
    np.savez(
        folder / "pictures.npz",
        train=pictures(100, seed=5),
        test=pictures(100, seed=6),
        test_labels=np.random.default_rng(7).integers(CLASSES, size=100),
    )
    entries = []
    for name, gap in zip(NETWORKS, GAPS, strict=True):
        number, kind = name.split("-")
        onnx.save(network(kind, int(number)), folder / f"{name}.onnx")
        settings = {"kind": kind, "random_labels": 0.0, "augmented": False}
        untrained = "003-fc.onnx" if name == "000-fc" else None
        known = dict.fromkeys(("parameters", "epochs", "test_accuracy", "test_loss"), 1)
        entries.append(
            {"name": name, "file": f"{name}.onnx", "untrained": untrained, "settings": settings}
            | {"units": 40, "fits": True, "gap": gap, **known}
        )
    (folder / "networks.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture(scope="module")
def studied(scripts, made, tmp_path_factory):
    """The one command, on a folder that is empty."""
    folder = tmp_path_factory.mktemp("studied")
    trainer = folder / "trainer.py"
    trainer.write_text(TRAINER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripts, "TRAINER", trainer)
        patch.setattr(scripts, "find_spec", lambda name: f"a specification of {name}")
        words = [str(folder / "networks"), "--networks", "8", "--data", str(made)]
        scripts.main([*words, "--json", str(folder / "study.json"), "--figure", str(folder / "study.svg")])
    return json.loads((folder / "study.json").read_text()), (folder / "study.svg").read_text()


def test_the_study_correlates_gaps_with_what_plain_differences_give(studied, made):
    with np.load(made / "pictures.npz") as stored:
        test, labels = stored["test"], stored["test_labels"]
    norms = np.array([plain_norms(made / f"{name}.onnx", test) for name in NETWORKS])
    found = studied[0]
    assert [one["name"] for one in found["networks"]] == NETWORKS
    means = [one["jacobian_norm"] for one in found["networks"]]
    np.testing.assert_allclose(means, norms.mean(axis=1), rtol=0.01)
    row = found["correlations"][0]
    assert (row["kind"], row["labels"], row["metric"], row["networks"]) == (
        "all",
        "any labels",
        "jacobian_norm",
        8,
    )
    for name, expected in (("kendall", stats.kendalltau), ("pearson", stats.pearsonr)):
        value = expected(norms.mean(axis=1), GAPS).statistic
        assert row[name]["value"] == pytest.approx(value, abs=0.01)
        assert row[name]["low"] <= row[name]["value"] <= row[name]["high"]
    for one, of_network in zip(found["networks"], norms, strict=True):
        p = softmax(run(made / f"{one['name']}.onnx", test)[0])
        wrong = p.argmax(axis=1) != labels
        for name, score in (("auroc_jacobian", of_network), ("auroc_probability", -p.max(axis=1))):
            pairs = stats.mannwhitneyu(score[wrong], score[~wrong]).statistic
            assert one[name] == pytest.approx(pairs / (wrong.sum() * (~wrong).sum()), abs=0.02)


def test_the_study_compares_networks_with_their_beginnings(studied, made):
    with np.load(made / "pictures.npz") as stored:
        test = stored["test"][:50]
    changes = {
        (change["what"], change["kind"], change["pictures"]): change
        for change in studied[0]["before_and_after"]
    }
    # None of the convolutional networks has one.
    assert len(changes) == 6
    change = changes["Jacobian norm", "fc", "test"]
    before, after = (plain_norms(made / f"{name}.onnx", test).mean() for name in ("003-fc", "000-fc"))
    assert change["untrained"] == pytest.approx(before, rel=0.01)
    assert change["trained"] == pytest.approx(after, rel=0.01)
    assert (change["networks"], change["fell"]) == (1, int(after < before))


def test_the_figure_shows_all_metrics_and_kinds(studied):
    for text in ("Jacobian norm", "transition density per ReLU", "fully connected", "generalization gap"):
        assert f">{text}</text>" in studied[1]


def test_what_is_there_is_not_trained_again(scripts, made, monkeypatch):
    monkeypatch.setattr(scripts.subprocess, "run", None)
    assert [entry["name"] for entry in scripts.trained(made, 3, made)] == NETWORKS[:3]


def test_training_without_its_packages_says_what_to_install(scripts, tmp_path, monkeypatch):
    monkeypatch.setattr(scripts, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match=r"pip install -r .*models/training/requirements\.txt"):
        scripts.trained(tmp_path, 1, tmp_path)


def test_the_documented_correlations_are_those_of_the_results():
    results = json.loads((ROOT / "benchmarks" / "results" / "generalization.json").read_text())
    documented = (ROOT / "docs" / "generalization.md").read_text("utf-8").replace("−", "-")

    def text(correlation):
        return f"{correlation['value']:.2f} ({correlation['low']:.2f} to {correlation['high']:.2f})"

    rows = {}
    for row in results["correlations"]:
        rows.setdefault((row["kind"], row["labels"]), []).append(row)
    assert len(rows) > 10
    for (kind, labels), metrics in rows.items():
        cells = [kind, labels.removesuffix(" labels") if labels == "any labels" else labels]
        cells += [str(metrics[0]["networks"]), *(text(row["kendall"]) for row in metrics)]
        assert f"| {' | '.join([*cells, text(metrics[0]['pearson'])])} |" in documented
