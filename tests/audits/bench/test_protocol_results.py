"""Results of a protocol on garments in place of its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import protocol_folders
import pytest
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.bench.result import BenchProtocol
from onnx_ood.metrics.openood import openood_metrics


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return protocol_folders.write_data(tmp_path_factory.mktemp("protocol"))


@pytest.fixture(scope="module")
def protocol(data: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchProtocol:
    images, _ = models.fashion_samples()
    known = tmp_path_factory.mktemp("known") / "known.npy"
    np.save(known, images[40:64])
    result = onnx_ood.bench(
        models.path("fashion_cnn"),
        data,
        protocol="cifar10",
        detectors="msp,knn,auto",
        reference=known,
        provider="cpu",
        cache=False,
    )
    assert [one.name for one in result.sets] == ["cifar100", "tin", "mnist", "svhn"]
    assert not any(one.synthetic for one in result.sets)
    assert result.protocol is not None
    return result.protocol


def softmax_maxima(pictures: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(str(models.path("fashion_cnn")), providers=["CPUExecutionProvider"])
    (logits,) = session.run(
        None, {session.get_inputs()[0].name: pictures[:, None].astype(np.float32) / np.float32(255)}
    )
    z = logits.astype(np.float64)
    return (np.exp(z - z.max(axis=1, keepdims=True))).max(axis=1) / np.exp(
        z - z.max(axis=1, keepdims=True)
    ).sum(axis=1)


def test_metrics_are_those_of_the_scores_of_another_run(data: Path, protocol: BenchProtocol) -> None:
    garments, _, sets = protocol_folders.garment_sets()
    assert np.array_equal(
        np.asarray(Image.open(data / "images_classic" / "cifar10" / "test" / "0003.png")), garments[3]
    )
    sets = {**sets, "svhn": sets["svhn"][4:]}
    (msp,) = [one for one in protocol.detectors if one.name == "msp"]
    assert msp.reference == "none"
    expected = {
        name: openood_metrics(-softmax_maxima(garments), -softmax_maxima(pictures))
        for name, pictures in sets.items()
    }
    for name, metrics in msp.sets.items():
        for field in ("auroc", "fpr95", "aupr_in", "aupr_out"):
            found = getattr(metrics, field)
            assert found.value == pytest.approx(float(getattr(expected[name], field)[0]), abs=1e-9)
            assert found.low <= found.high
    assert msp.near is not None
    assert msp.far is not None
    for mean, names in ((msp.near, ("cifar100", "tin")), (msp.far, ("mnist", "svhn"))):
        aurocs = [float(expected[name].auroc[0]) for name in names]
        assert mean.auroc.value == pytest.approx(np.mean(aurocs), abs=1e-9)
        fprs = [float(expected[name].fpr95[0]) for name in names]
        assert mean.fpr95.value == pytest.approx(np.mean(fprs), abs=1e-9)
        assert mean.auroc.low <= mean.auroc.value <= mean.auroc.high


def test_auto_is_there_with_and_without_references(protocol: BenchProtocol) -> None:
    sources = sorted((one.name, one.reference) for one in protocol.detectors)
    # The bundled photos have colours, the model takes none: without references nothing is learned.
    assert sources == [("auto", "given"), ("auto", "none"), ("knn", "given"), ("msp", "none")]
    given, none = (
        next(one for one in protocol.detectors if (one.name, one.reference) == ("auto", source))
        for source in ("given", "none")
    )
    assert given.sets != none.sets


def test_accuracy_is_that_of_the_listed_labels(protocol: BenchProtocol) -> None:
    garments, labels, _ = protocol_folders.garment_sets()
    session = ort.InferenceSession(str(models.path("fashion_cnn")), providers=["CPUExecutionProvider"])
    (logits,) = session.run(
        None, {session.get_inputs()[0].name: garments[:, None].astype(np.float32) / np.float32(255)}
    )
    assert protocol.accuracy is not None
    assert protocol.accuracy.value == np.mean(logits.argmax(axis=1) == labels)
    assert (protocol.id, protocol.id_found) == (protocol_folders.COUNT, protocol_folders.COUNT)


def test_missing_and_incomplete_sets_are_named_with_what_follows(protocol: BenchProtocol) -> None:
    assert [one.name for one in protocol.missing] == ["texture", "places365"]
    text = " ".join(protocol.notes)
    assert "Missing far sets: Textures, Places365 (looked for " in text
    assert (
        "The far mean is over 2 of 4 sets (MNIST, SVHN): published means, over all of them, are not" in text
    )
    assert "SVHN: 12 of the benchmark's 16 pictures were found." in protocol.notes
    assert "Missing near sets" not in text
    assert (
        "MNIST: all inputs of a folder or file, not the benchmark's list of 70,000 pictures."
        in protocol.notes
    )


def test_a_group_without_sets_has_no_mean(data: Path, tmp_path: Path) -> None:
    garments, _, sets = protocol_folders.garment_sets()
    np.save(tmp_path / "cifar10.npy", garments)
    np.save(tmp_path / "tin.npy", sets["tin"])
    result = onnx_ood.bench(
        models.path("fashion_cnn"), tmp_path, protocol="cifar10", detectors="msp", limit=12, provider="cpu"
    ).protocol
    assert result is not None
    (msp,) = result.detectors
    assert msp.far is None
    assert msp.near is not None
    assert result.accuracy is None
    assert any(note.endswith("There is no far mean.") for note in result.notes)
    assert "At most 12 pictures of each set were taken, at random." in result.notes


def test_published_results_are_those_of_the_leaderboard(protocol: BenchProtocol) -> None:
    # results/cifar10.csv at commit 28d3a40 of github.com/zjysteven/OpenOOD.
    published = {one.method: one for one in protocol.published}
    assert (published["MSP"].near, published["MSP"].near_sd) == (88.03, 0.25)
    assert (published["GEN"].far, published["GEN"].far_sd) == (91.35, 0.69)
    assert (published["KNN"].near, published["KNN"].far) == (90.64, 92.96)
    assert (published["fDBD"].near, published["fDBD"].near_sd) == (90.42, None)
    assert {one.detector for one in protocol.published} <= set(onnx_ood.list_detectors())
    assert "28d3a40" in protocol.published_source
