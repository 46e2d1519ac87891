"""Origins of nudges: an input of the model, or a tensor inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from onnx import ModelProto

from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import (
    Model,
    Tensor,
    downstream_model,
    element_type,
    find_cut,
    open_at,
    rewrite,
    tensor_type,
)
from onnx_ood.runtime.arguments import FLOATS
from onnx_ood.runtime.providers import Provider
from onnx_ood.runtime.session import Session


class OriginRun(NamedTuple):
    """Start of the runs of clean and nudged copies.

    Attributes:
        site: The clean site, as the model computes or takes it.
        fed: Values that are fed with it, by name.
        outputs: The model's own outputs if they are known already.
    """

    site: Array
    fed: Mapping[str, Array]
    outputs: Mapping[str, Array]


class OpenedModel(NamedTuple):
    """A model that takes a site's values.

    Attributes:
        proto: The model; its inputs are the site and those in `OriginRun.fed`.
        site: The input that takes the site's values.
        carriers: The output that carries each probe, by the probe's name.
    """

    proto: ModelProto
    site: str
    carriers: Mapping[str, str]


class Origin(Protocol):
    """Place where nudges are added.

    Attributes:
        outputs: The model's own outputs that `start` computes, so that the stages need not.
    """

    outputs: tuple[str, ...]

    def opened(self, probes: Sequence[str]) -> OpenedModel:
        """Make the model that is run for clean and nudged copies.

        Args:
            probes: Names of the probes that it computes, with the model's own outputs if `start` doesn't compute them.
        """

    def start(self, values: Array, fed: Mapping[str, Array]) -> OriginRun:
        """Bring the inputs of one run to the site.

        Args:
            values: Values of the batch's input.
            fed: Values of the model's other inputs.
        """


class InputOrigin:
    """The site is an input: the whole model is run for every copy."""

    def __init__(self, model: Model, site: Tensor) -> None:
        """Take the model as it is.

        Args:
            model: The model.
            site: The input.
        """
        self._model, self._site = model, site.name
        self.outputs: tuple[str, ...] = ()

    def opened(self, probes: Sequence[str]) -> OpenedModel:
        """Return the whole model."""
        rewritten = rewrite(self._model, probes)
        return OpenedModel(rewritten.proto, self._site, rewritten.outputs)

    def start(self, values: Array, fed: Mapping[str, Array]) -> OriginRun:
        """Return the inputs; nothing has to be computed."""
        return OriginRun(values, fed, {})


class InnerOrigin:
    """The site is inside: the whole model is run once, and the part behind the site for every copy."""

    def __init__(
        self,
        model: Model,
        batch: Tensor,
        site: Tensor,
        probes: Sequence[str],
        provider: Provider,
        *,
        exact: bool,
        tf32: bool,
    ) -> None:
        """Cut the model and create the session of the whole.

        Args:
            model: The model.
            batch: The input that the batch feeds.
            site: The tensor that is nudged.
            probes: Names of the probes.
            provider: Where to run.
            exact: True to run without fusions.
            tf32: True to let CUDA round products to TF32.

        Raises:
            SelectorError: If a probe does not depend on the site.
            UsageError: If the site holds no floats that numpy can hold.
            ModelError: If onnxruntime refuses the model, or a value carried over the cut is not a tensor.
        """
        self._model, self._provider, self._exact = model, provider, exact
        self._batch, self._site = batch.name, site.name
        dtype = site.dtype or self._dtype_of_site()
        if dtype not in FLOATS:
            raise UsageError(
                f"the site {site.name!r} holds {dtype}; choose a site of type {', '.join(FLOATS)}"
            )
        whole = rewrite(model, [*probes, site.name])
        known = None if site.dtype else tensor_type(element_type(dtype))
        opened = open_at(model, [*probes, site.name], site.name, known)
        self._entry, self._carriers = opened.inputs[site.name], dict(opened.outputs)
        cut = find_cut(opened, site.name, probes)
        inputs = {tensor.name for tensor in model.inputs}
        self._computed = tuple(name for name in cut.crossing if name not in inputs)
        self._passed = tuple(name for name in cut.crossing if name in inputs)
        own = [value.name for value in model.proto.graph.output]
        self._session = Session(
            with_outputs(whole.proto, [*own, whole.outputs[site.name], *self._computed]),
            model.path,
            provider,
            exact=exact,
            tf32=tf32,
            carriers={site.name: whole.outputs[site.name]},
        )
        self.outputs = tuple(name for name in model.outputs if self._session.is_tensor(name))
        dtypes = {name: model.by_name[name].dtype or "" for name in self._passed}
        for name in self._computed:
            if not self._session.is_tensor(name):
                raise ModelError(
                    f"{model.path}: {name!r} is read behind the site {site.name!r} and is not a tensor; "
                    "choose another site"
                )
            dtypes[name] = self._session.element(name)
        shapes = {tensor.name: tensor.shape for tensor in (*model.tensors, *model.nested_tensors)}
        self._part = downstream_model(
            opened.proto, cut, {name: element_type(dtype) for name, dtype in dtypes.items()}, shapes
        )

    def opened(self, probes: Sequence[str]) -> OpenedModel:
        """Return the part behind the site."""
        carriers = {probe: self._carriers[probe] for probe in probes}
        return OpenedModel(with_outputs(self._part, list(carriers.values())), self._entry, carriers)

    def start(self, values: Array, fed: Mapping[str, Array]) -> OriginRun:
        """Run the whole model once."""
        everything = {self._batch: values, **fed}
        names = list(dict.fromkeys([self._site, *self._computed, *self.outputs]))
        found = dict(zip(names, self._session.run(names, everything), strict=True))
        carried = {name: found[name] for name in self._computed}
        carried.update((name, everything[name]) for name in self._passed)
        return OriginRun(found[self._site], carried, {name: found[name] for name in self.outputs})

    def _dtype_of_site(self) -> str:
        """Element type of the site from the runtime; onnx can't infer it behind custom operators, for example."""
        watched = rewrite(self._model, [self._site])
        session = Session(watched.proto, self._model.path, self._provider, carriers=watched.outputs)
        return session.element(self._site)


def with_outputs(model: ModelProto, names: Sequence[str]) -> ModelProto:
    """Copy a model with only these outputs.

    Args:
        model: The model.
        names: Names of tensors; the model's own outputs keep their declarations.
    """
    declared = {value.name: value for value in model.graph.output}
    copy = ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    for name in dict.fromkeys(names):
        if name in declared:
            copy.graph.output.append(declared[name])
        else:
            copy.graph.output.add(name=name)
    return copy
