"""`onnx_ood.measure` and `onnx_ood.observer_effect`: one call from a model and a batch to the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from numpy.typing import ArrayLike

from onnx_ood.graph import Model, load, select
from onnx_ood.runtime.arguments import find_site
from onnx_ood.runtime.measurement import Measurement
from onnx_ood.runtime.prober import Prober


def measure(
    model: Model | str | Path,
    batch: ArrayLike,
    *,
    probes: str | Iterable[str],
    nudges: ArrayLike,
    site: str | None = None,
    provider: str = "auto",
    batch_size: int | None = None,
    feeds: Mapping[str, ArrayLike] | None = None,
    exact: bool = False,
) -> Measurement:
    """Measures how activations turn and switch when inputs are nudged.

    Args:
        model: A path or a loaded model.
        batch: Clean inputs [N, *input], as the model takes them. With an inner site they feed the model's first input.
        probes: Selectors of the tensors to watch; see `onnx_ood.graph.select`.
        nudges: What is added to the site, in the model's units: [K, *site], shared by all inputs, or
            [N, K, *site]; where the site is the input, `*site` is `*input`.
        site: Name of the tensor to nudge: a graph input, or a tensor of floats inside (an embedding's output, say);
            None for the only input of floats.
        provider: `"auto"` (CUDA if it can run, else the CPU), `"cuda"` or `"cpu"`.
        batch_size: Inputs in one run; None lets memory decide.
        feeds: Values of the model's other inputs by name, repeated for every copy.
        exact: True to run without fusions, so that watching can't change a bit of the model's outputs; slower.

    Returns:
        Pair statistics of every input, copy and probe, and the model's own outputs for the clean inputs.

    Raises:
        UsageError: If an argument is wrong; SelectorError for a probe.
        ModelError: If the model can't be read or run.
        ProviderError: If the provider can't run here.
    """
    loaded = model if isinstance(model, Model) else load(model)
    selected = select(loaded, probes, find_site(loaded, site))
    prober = Prober(loaded, selected, site=site, provider=provider, batch_size=batch_size, exact=exact)
    return prober.measure(batch, nudges, feeds)


def observer_effect(
    model: Model | str | Path,
    batch: ArrayLike,
    *,
    probes: str | Iterable[str],
    site: str | None = None,
    provider: str = "auto",
    batch_size: int | None = None,
    feeds: Mapping[str, ArrayLike] | None = None,
    exact: bool = False,
) -> float:
    """Measures how far watching moves a model's own outputs.

    A tensor that is kept can't be fused away, so the runtime may compute the watched model in other steps than the
    plain one, and round otherwise.

    Args:
        model: A path or a loaded model.
        batch: A few clean inputs [N, *input].
        probes: Selectors of the tensors to watch; see `onnx_ood.graph.select`.
        site: As in `measure`.
        provider: As in `measure`.
        batch_size: As in `measure`.
        feeds: As in `measure`.
        exact: True to run both without fusions: then the effect is 0.

    Returns:
        The largest relative difference of an output over the batch: ‖watched − plain‖ / ‖plain‖ in float64 for floats,
        the share of elements that differ for everything else.

    Raises:
        UsageError: If an argument is wrong; SelectorError for a probe.
        ModelError: If the model can't be read or run.
        ProviderError: If the provider can't run here.
    """
    loaded = model if isinstance(model, Model) else load(model)
    selected = select(loaded, probes, find_site(loaded, site))
    prober = Prober(loaded, selected, site=site, provider=provider, batch_size=batch_size, exact=exact)
    return prober.observer_effect(batch, feeds)
