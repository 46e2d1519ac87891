"""`jacobian_norms`: one call from a model and a batch to Jacobian norms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from numpy.typing import ArrayLike

from onnx_ood._arguments import checked
from onnx_ood.graph import Model, load, select
from onnx_ood.runtime.arguments import find_site
from onnx_ood.runtime.jacobian.jacobian_prober import JacobianProber
from onnx_ood.runtime.jacobian.norms import JacobianNorms
from onnx_ood.runtime.jacobian.probe import find_jacobian_probe


@checked
def jacobian_norms(
    model: str | Path | Model,
    batch: ArrayLike,
    *,
    probe: str | None = None,
    patterns: str | Iterable[str] = (),
    directions: int = 32,
    seed: int = 0,
    site: str | None = None,
    provider: str = "auto",
    batch_size: int | None = None,
    feeds: Mapping[str, ArrayLike] | None = None,
    exact: bool = False,
    batch_axis: str | int | None = None,
) -> JacobianNorms:
    """Estimate the Jacobian norm ‖∂f/∂x‖_F at each input, by forward passes alone.

    The estimate is that of `metrics.frobenius_norm`, from central differences along orthogonal directions.

    Args:
        model: A path or a loaded model.
        batch: Inputs [N, *input], in the dtype and layout of the model. They feed the site if it is an input, else the
            first input not in `feeds`.
        probe: Selector of the tensor f, taken as it is; None for the model's first floating-point output, through a
            softmax if it is a row of class scores that are not probabilities already.
        patterns: Selectors of tensors whose signs identify the linear region, for `exact_fraction`; see
            `JacobianProber`.
        directions: m, the number of directions.
        seed: Seed of the directions.
        site: The tensor that the derivative is taken with respect to: a graph input, or a floating-point tensor inside
            the model; None for the only floating-point input.
        provider: As in `measure`, as all that follow.
        batch_size: See there.
        feeds: See there.
        exact: See there.
        batch_axis: See there.

    Returns:
        The norms with standard errors and error estimates of the differences.

    Raises:
        UsageError: If an argument is wrong; SelectorError for a tensor.
        ModelError: If the model can't be read or run.
        ProviderError: If the provider can't run here.

    >>> import numpy as np
    >>> from onnx_ood import models
    >>> images = np.random.default_rng(0).random((2, 1, 28, 28), dtype=np.float32)
    >>> found = jacobian_norms(models.path("fashion_cnn"), images, directions=4, provider="cpu")
    >>> found.function, found.norm.shape, bool((found.norm > 0).all())
    ("softmax of 'logits'", (2,), True)
    """
    loaded = model if isinstance(model, Model) else load(model)
    nudged = find_site(loaded, site)
    prober = JacobianProber(
        loaded,
        find_jacobian_probe(loaded, probe, nudged),
        patterns=select(loaded, patterns, nudged) if patterns else (),
        site=site,
        provider=provider,
        batch_size=batch_size,
        exact=exact,
        feeds=feeds or (),
        batch_axis=batch_axis,
    )
    return prober.measure(batch, directions, seed, feeds)
