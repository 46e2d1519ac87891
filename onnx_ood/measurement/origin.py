"""Where nudges are added: at an input of the model, or at a tensor inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from onnx import ModelProto

from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import Model, Tensor, behind_cut, element_type, find_cut, with_outputs
from onnx_ood.measurement.arguments import FLOATS, Array
from onnx_ood.measurement.providers import Provider
from onnx_ood.measurement.session import Session


class Start(NamedTuple):
    """What the runs of clean and nudged copies begin with.

    Attributes:
        site: The clean site, as the model computes or takes it.
        fed: What is fed beside it.
        outputs: The model's own outputs where they are known already.
    """

    site: Array
    fed: Mapping[str, Array]
    outputs: Mapping[str, Array]


class Origin(Protocol):
    """Where nudges are added.

    Attributes:
        proto: The model that is run for clean and nudged copies.
        outputs: The model's own outputs that `start` gives, so that `proto` need not.
    """

    proto: ModelProto
    outputs: tuple[str, ...]

    def start(self, values: Array, fed: Mapping[str, Array]) -> Start:
        """Brings the inputs of one run to the site.

        Args:
            values: What the batch feeds.
            fed: What the other inputs of the model are fed.
        """


class InputOrigin:
    """The site is an input: the whole model is run for every copy."""

    def __init__(self, model: Model) -> None:
        """Takes the model as it is."""
        self.proto = model.proto
        self.outputs: tuple[str, ...] = ()

    def start(self, values: Array, fed: Mapping[str, Array]) -> Start:
        """There is nothing to compute."""
        return Start(values, fed, {})


class InnerOrigin:
    """The site is inside: the whole model is run once, and what lies behind the site for every copy."""

    def __init__(
        self,
        model: Model,
        batch: Tensor,
        site: Tensor,
        probes: Sequence[str],
        provider: Provider,
        *,
        exact: bool,
    ) -> None:
        """Cuts the model and creates the session of the whole.

        Args:
            model: The model.
            batch: The input that the batch feeds.
            site: The tensor that is nudged.
            probes: Names of the probes.
            provider: Where to run.
            exact: True to run without fusions.

        Raises:
            SelectorError: If a probe does not depend on the site.
            UsageError: If the site holds no floats that numpy can hold.
            ModelError: If onnxruntime refuses the model, or what has to be carried over the cut is no tensor.
        """
        cut = find_cut(model, site.name, probes)
        self._batch, self._site = batch.name, site.name
        inputs = {tensor.name for tensor in model.inputs}
        self._computed = tuple(name for name in cut.carried if name not in inputs)
        self._passed = tuple(name for name in cut.carried if name in inputs)
        proto = with_outputs(model.proto, [site.name, *self._computed])
        self._session = Session(proto, model.path, provider, exact=exact)
        self.outputs = tuple(name for name in model.outputs if self._session.is_tensor(name))
        if self._session.dtypes[site.name] not in FLOATS:
            raise UsageError(
                f"the site {site.name!r} holds {self._session.dtypes[site.name]}; nudges need {FLOATS}"
            )
        dtypes = {name: model.by_name[name].dtype or "" for name in self._passed}
        for name in (site.name, *self._computed):
            if not self._session.is_tensor(name):
                raise ModelError(
                    f"{model.path}: {name!r} is read behind the site {site.name!r} and is no tensor; take another"
                )
            dtypes[name] = self._session.element(name)
        self.proto = behind_cut(model, cut, {name: element_type(dtype) for name, dtype in dtypes.items()})

    def start(self, values: Array, fed: Mapping[str, Array]) -> Start:
        """Runs the whole model once."""
        everything = {self._batch: values, **fed}
        names = list(dict.fromkeys([self._site, *self._computed, *self.outputs]))
        found = dict(zip(names, self._session.run(names, everything), strict=True))
        carried = {name: found[name] for name in self._computed}
        carried.update((name, everything[name]) for name in self._passed)
        return Start(found[self._site], carried, {name: found[name] for name in self.outputs})
