"""`onnx_ood.measure` and `onnx_ood.observer_effect`: one call from a model and a batch to the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from numpy.typing import ArrayLike

from onnx_ood._arguments import checked
from onnx_ood.graph import Model, load, select
from onnx_ood.runtime.arguments import find_site, refuse_infinite, refuse_nan
from onnx_ood.runtime.measurement import Measurement
from onnx_ood.runtime.prober import Prober


@checked
def measure(
    model: str | Path | Model,
    batch: ArrayLike,
    *,
    probes: str | Iterable[str],
    nudges: ArrayLike,
    site: str | None = None,
    provider: str = "auto",
    batch_size: int | None = None,
    feeds: Mapping[str, ArrayLike] | None = None,
    exact: bool = False,
    batch_axis: str | int | None = None,
) -> Measurement:
    """Measure the change of activations when inputs are nudged.

    Args:
        model: A path or a loaded model.
        batch: Clean inputs [N, *input], in the dtype and layout of the model. They feed the site if it is an input,
            else the first input not in `feeds`.
        probes: Selectors of the tensors to measure; see `onnx_ood.graph.select`.
        nudges: Added to the site, in the model's units: [K, *site], shared by all inputs, or [N, K, *site]. `*site` is
            `*input` if the site is the input.
        site: Name of the tensor to nudge: a graph input, or a floating-point tensor inside the model (an embedding's
            output, for example); None for the only floating-point input.
        provider: `"auto"` (CUDA if it can run, else the CPU), `"cuda"` or `"cpu"`.
        batch_size: Inputs in one run; None lets memory decide.
        feeds: Values of the model's other inputs by name: one per input on the batch axis, or, for inputs without one,
            as they are. Repeated for every copy.
        exact: True to run without fusions, so that the model's outputs stay bit-equal to those of the plain model run
            without fusions; slower.
        batch_axis: The batch axis of the input that the batch feeds, as the model has it; `"none"` if it has none,
            and None to find it. In `batch` it is the first.

    Returns:
        Pair statistics of every input, copy and probe, and the model's own outputs for the clean inputs.

    Raises:
        UsageError: If an argument is wrong or has NaN, or the batch or nudges are infinite; SelectorError for a probe.
        ModelError: If the model can't be read or run.
        ProviderError: If the provider can't run here.

    >>> import numpy as np
    >>> from onnx_ood import models
    >>> images = np.random.default_rng(0).random((2, 1, 28, 28), dtype=np.float32)
    >>> nudges = np.random.default_rng(1).normal(0, 0.01, (5, 1, 28, 28))
    >>> found = measure(models.path("fashion_cnn"), images, probes="outputs", nudges=nudges, provider="cpu")
    >>> found.probes, found.cosine_drop().shape
    (('logits',), (2, 5, 1))
    """
    refuse_nan({"batch": batch, "nudges": nudges, **(feeds or {})})
    prober = _prober(model, probes, site, provider, batch_size, feeds, exact, batch_axis)
    refuse_infinite(batch, "batch", prober.input.dtype)
    refuse_infinite(nudges, "nudges", prober.site.dtype)
    return prober.measure(batch, nudges, feeds)


@checked
def observer_effect(
    model: str | Path | Model,
    batch: ArrayLike,
    *,
    probes: str | Iterable[str],
    site: str | None = None,
    provider: str = "auto",
    batch_size: int | None = None,
    feeds: Mapping[str, ArrayLike] | None = None,
    exact: bool = False,
    batch_axis: str | int | None = None,
) -> float:
    """Measure the change of a model's own outputs by instrumentation.

    A tensor that is kept can't be fused away, so the runtime may compute the instrumented model in other steps than the
    plain one, and round differently.

    Args:
        model: A path or a loaded model.
        batch: A few clean inputs [N, *input].
        probes: Selectors of the tensors to measure; see `onnx_ood.graph.select`.
        site: As in `measure`.
        provider: As in `measure`.
        batch_size: As in `measure`.
        feeds: As in `measure`.
        exact: True to run both without fusions: then the effect is 0.
        batch_axis: As in `measure`.

    Returns:
        The largest relative difference of an output over the batch: ‖instrumented − plain‖ / ‖plain‖ in float64 for
        floats, the fraction of elements that differ for other types.

    Raises:
        UsageError: If an argument is wrong or has NaN; SelectorError for a probe.
        ModelError: If the model can't be read or run.
        ProviderError: If the provider can't run here.
    """
    refuse_nan({"batch": batch, **(feeds or {})})
    return _prober(model, probes, site, provider, batch_size, feeds, exact, batch_axis).observer_effect(
        batch, feeds
    )


def _prober(
    model: str | Path | Model,
    probes: str | Iterable[str],
    site: str | None,
    provider: str,
    batch_size: int | None,
    feeds: Mapping[str, ArrayLike] | None,
    exact: bool,
    batch_axis: str | int | None,
) -> Prober:
    loaded = model if isinstance(model, Model) else load(model)
    return Prober(
        loaded,
        select(loaded, probes, find_site(loaded, site)),
        site=site,
        provider=provider,
        batch_size=batch_size,
        exact=exact,
        feeds=feeds or (),
        batch_axis=batch_axis,
    )
