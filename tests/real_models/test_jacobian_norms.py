"""Jacobian norms by forward passes agree with automatic differentiation of the same weights in torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood.runtime import JacobianNorms, JacobianProber

pytestmark = pytest.mark.real
ONE_PERCENT = 0.01
# Tensors of the bundled language model: what it looks tokens up for, and what it says.
EMBEDDING, LOGITS = "/embedding/Gather_output_0", "logits"
CHARACTERS = 8


@pytest.fixture(scope="module", autouse=True)
def _torch() -> Iterator[None]:
    torch = pytest.importorskip(
        "torch",
        reason="torch is not installed, by `make test-real` neither: too large. "
        "`.venv/bin/python -m pip install torch`, then `make test-real` runs this test",
    )
    threads = torch.get_num_threads()
    # Hundreds of small backward passes, in which threads mostly wait for each other.
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def garments(count: int) -> np.ndarray:
    """Garments of all classes; the last but one is nearly blank, the last is noise."""
    images, _ = models.fashion_samples()
    batch = images[:: len(images) // count][:count, np.newaxis].astype(np.float32) / 255
    batch[-2] *= 0.01
    batch[-1] = np.random.default_rng(0).random(batch.shape[1:])
    return batch


def by_torch(path: Path, site: str, values: np.ndarray, fed: dict, *, softmax: bool) -> np.ndarray:
    from torch_graph import jacobians

    return np.linalg.norm(jacobians(path, site, values, LOGITS, fed, softmax=softmax), axis=(1, 2))


def told(name: str, found: JacobianNorms, expected: np.ndarray) -> np.ndarray:
    """Relative errors, printed for whoever wants to know."""
    errors = found.norm / expected - 1
    print(
        f"{name}: norms {expected.min():.2g}-{expected.max():.2g}, m = {found.directions}, relative errors {errors}"
    )
    return errors


@pytest.mark.parametrize("name", ["fashion_cnn", "fashion_resnet"])
def test_a_classifier_of_garments(name: str) -> None:
    batch = garments(20)
    prober = JacobianProber(onnx_ood.load(models.path(name)))
    expected = by_torch(models.path(name), "image", batch, {}, softmax=True)
    few = prober.measure(batch, 64)
    assert few.function == "softmax of 'logits'"
    errors = told(name, few, expected)
    # 98% of inputs at least are expected within three; fewer than 18 of 20 happen once in 100 tries.
    assert (np.abs(errors * expected) <= 3 * few.standard_error).sum() >= 18
    exact = prober.measure(batch, 784)
    assert np.abs(told(name, exact, expected)).max() < ONE_PERCENT


def test_a_language_model_by_its_embeddings() -> None:
    import torch
    from torch_graph import evaluate

    path = models.path("char_transformer")
    kinds = models.sentences()
    texts = [
        text[:CHARACTERS] for kind in ("in_distribution", "foreign", "random") for text in kinds[kind][:1]
    ]
    tokens = np.stack([models.encode(text) for text in texts])
    fed = {"tokens": torch.from_numpy(tokens)}
    vectors = evaluate(path, fed, EMBEDDING).numpy()
    expected = by_torch(path, EMBEDDING, vectors, fed, softmax=False)
    prober = JacobianProber(onnx_ood.load(path), site=EMBEDDING)
    check = prober.check(tokens, 64)
    assert check.estimate.function == "'logits'"
    errors = told("char_transformer", check.estimate, expected)
    assert (np.abs(errors * expected) <= 3 * check.estimate.standard_error).all()
    assert np.abs(told("char_transformer", check.exact, expected)).max() < ONE_PERCENT
