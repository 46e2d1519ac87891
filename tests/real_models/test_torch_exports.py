"""What both of torch's exporters write can be watched everywhere, and holds what torch's own layers hand out."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from checking import agree_with_the_reference, allowances, distance, measured_like_numpy, watch_everywhere
from onnx import NodeProto
from running import run

import onnx_ood

if TYPE_CHECKING:
    from torch import nn
    from torch_nets import Net

pytestmark = [
    pytest.mark.real,
    # Of the exporters' making: notices of what torch will deprecate, and of batch sizes in recurrent layers.
    pytest.mark.filterwarnings("ignore"),
]
EXPORTS = [
    *((kind, exporter) for kind in ("residual", "encoder") for exporter in ("TorchScript", "dynamo")),
    ("recurrent", "TorchScript"),
    # One exporter knows control flow that is compiled, the other what is called torch.cond.
    ("scripted", "TorchScript"),
    ("conditional", "dynamo"),
]
# Of a recurrent layer this exporter writes the batch size into the file, where inputs can't be run singly.
FIXED = ("recurrent", "dynamo")
# The exporters compute a batch normalisation by the weights of the convolution before it.
FOLDED = {"stem": "norm", "inner": "inner_norm"}


@dataclass(frozen=True)
class Exported:
    """A network, the file that an exporter made of it, and the tensor that is nudged."""

    net: Net
    exporter: str
    module: nn.Module
    path: Path
    site: str


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[[tuple[str, str]], Exported]:
    """Exports a network once. Skips where torch is not: it is too large to be installed for these tests alone."""
    for package in ("torch", "onnxscript"):
        pytest.importorskip(
            package,
            reason=f"{package} is not installed, by `make test-real` neither: too large. "
            "`.venv/bin/python -m pip install torch onnxscript`, then `make test-real` runs this test",
        )
    import torch_nets

    nets = {net.kind: net for net in torch_nets.nets()}
    made: dict[tuple[str, str], Exported] = {}

    def get(which: tuple[str, str]) -> Exported:
        if which not in made:
            kind, exporter = which
            path = tmp_path_factory.mktemp(f"{kind}_{exporter}") / "model.onnx"
            module = torch_nets.export(nets[kind], exporter, path)
            tensors = onnx_ood.load(path).tensors
            inside = next(tensor.name for tensor in tensors if tensor.floating and not tensor.constant)
            made[which] = Exported(nets[kind], exporter, module, path, nets[kind].site or inside)
        return made[which]

    return get


def every(exports: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("which", [pytest.param(which, id="-".join(which)) for which in exports])


@every([*EXPORTS, FIXED])
def test_every_tensor_comes_back_and_nothing_moves(which: tuple[str, str], export, report) -> None:
    import torch

    made = export(which)
    # Saved beside the file, which may have its weights in another one.
    figures = watch_everywhere(made.path, made.net.feeds, made.path.parent, site=made.site)
    version = torch.__version__.partition("+")[0]
    report(f"{made.net.kind} ({made.exporter} exporter)", f"torch {version}", "made by the test", figures)
    assert figures.bit_equal
    assert not figures.beyond


@every([*EXPORTS, FIXED])
def test_what_comes_back_is_what_the_reference_computes(
    which: tuple[str, str], export, tmp_path: Path
) -> None:
    made = export(which)
    assert agree_with_the_reference(made.path, made.net.feeds, tmp_path, site=made.site) > 3


@every([*EXPORTS, FIXED])
def test_what_comes_back_is_what_torch_computes(which: tuple[str, str], export) -> None:
    from torch_nets import what_layers_give

    made = export(which)
    given = what_layers_give(made.net, made.module)
    model = onnx_ood.load(made.path)
    watched = onnx_ood.instrument(model, probes="all")
    values = run(watched.model, made.net.feeds, folder=made.path.parent)
    allowed = allowances(model, watched, made.net.feeds, made.site)
    # The last tensor that a layer's nodes compute is what the layer hands out.
    results = {layer_of(node, made.exporter): node.output[0] for node in model.proto.graph.node}
    results = {FOLDED.get(layer, layer): name for layer, name in results.items() if layer}
    assert set(results) == set(given) - set(FOLDED)
    for layer, name in results.items():
        expected, value = given[layer], values[name]
        if which == FIXED and expected.shape != value.shape:
            # Between two recurrent layers time stays first.
            expected = np.ascontiguousarray(expected.swapaxes(0, 1))
        assert distance(expected, value) <= allowed[name], layer


@every(EXPORTS)
def test_what_is_measured_is_what_numpy_says(which: tuple[str, str], export) -> None:
    made = export(which)
    batch = next(iter(made.net.feeds))
    assert measured_like_numpy(made.path, made.net.feeds, batch=batch, site=made.site) > 0


def layer_of(node: NodeProto, exporter: str) -> str | None:
    """The layer of the main graph that a node belongs to, as the exporter notes it; None for nodes between layers."""
    if exporter == "TorchScript":
        scope = node.name.split("/")[1:-1]
    else:
        noted = {entry.key: entry.value for entry in node.metadata_props}
        scope = ast.literal_eval(noted.get("pkg.torch.onnx.name_scopes", "[]"))[1:-1]
    return scope[0] if scope else None
