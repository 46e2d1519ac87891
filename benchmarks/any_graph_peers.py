"""Other methods of watching all tensors, on the models that the onnx package generates and ships.

    python benchmarks/any_graph_peers.py

Marks all tensors of each model that onnxruntime runs and that computes something between its inputs and its outputs,
by `onnx_ood.instrument`, by naming every node's results as outputs, and by Polygraphy where it is installed (best in an
environment of its own: `pip install polygraphy==0.53.6`). Prints for each way how many models load and run, how many
computed tensors come back, in how many models the original outputs stay bit-equal with onnxruntime's default
optimisations, and how many files pass the checker as the originals do.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

import onnx_ood

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / part) for part in ("support",)]
onnx_cases = importlib.import_module("onnx_cases")
running = importlib.import_module("running")

# A model with every tensor marked, and by name or scoped path of each watched tensor its output.
Marked = tuple[ModelProto, dict[str, str]]


def ours(model: onnx_ood.Model) -> Marked:
    result = onnx_ood.instrument(model, probes="all")
    return result.model, dict(result.outputs)


def naive(model: onnx_ood.Model) -> Marked:
    copy = ModelProto()
    copy.CopyFrom(model.proto)
    present = {value.name for value in copy.graph.output}
    for name in chain.from_iterable(node.output for node in model.proto.graph.node):
        if name and name not in present:
            present.add(name)
            copy.graph.output.add(name=name)
    return copy, {name: name for name in present}


def polygraphy(model: onnx_ood.Model) -> Marked:
    backend = importlib.import_module("polygraphy.backend.onnx")
    mark_all = importlib.import_module("polygraphy.constants").MARK_ALL
    marked = backend.modify_outputs(model.proto, outputs=mark_all, copy=True)
    return marked, {value.name: value.name for value in marked.graph.output}


def passes(model: ModelProto) -> bool:
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception:
        return False
    return True


def compare(
    case: Any, model: onnx_ood.Model, way: Callable[[onnx_ood.Model], Marked], tensors: Iterable[str]
) -> Counter[str]:
    """Apply one method to one model."""
    counts: Counter[str] = Counter(models=1)
    try:
        marked, outputs = way(model)
        counts["pass the checker"] = passes(marked)
        watched = running.run(marked, case.feeds)
        optimised = running.run(marked, case.feeds, optimised=True)
    except Exception as error:
        print(f"  {way.__name__}: {case.name}: {' '.join(str(error).split())[:150]}", file=sys.stderr)
        return counts
    plain = running.run(model.proto, case.feeds, optimised=True)
    counts["run"] = 1
    counts["tensors back"] = sum(outputs.get(name) in watched for name in tensors)
    counts["bit-equal"] = all(running.same_bits(value, optimised.get(name)) for name, value in plain.items())
    return counts


def main() -> None:
    warnings.simplefilter("ignore")  # Cases divide by zero on purpose.
    ways: list[Callable[[onnx_ood.Model], Marked]] = [ours, naive]
    if importlib.util.find_spec("polygraphy"):
        ways.append(polygraphy)
    totals = {way.__name__: Counter[str]() for way in ways}
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for case in chain(onnx_cases.generated(), onnx_cases.shipped()):
            try:
                running.run(case.model, case.feeds)
            except Exception:
                continue
            path.write_bytes(case.model.SerializeToString())
            model = onnx_ood.load(path)
            both = (*model.tensors, *model.nested_tensors)
            tensors = [t.name for t in both if not t.constant and not t.is_input]
            if set(tensors) <= {value.name for value in case.model.graph.output}:
                continue
            found.update(
                {
                    "models": 1,
                    "with tensors in the main graph": any(
                        not t.constant and not t.is_input and not t.output for t in model.tensors
                    ),
                    "tensors": len(tensors),
                    "pass the checker": passes(case.model),
                }
            )
            for way in ways:
                totals[way.__name__] += compare(case, model, way, tensors)
    print("originals: ", ", ".join(f"{count} {what}" for what, count in found.items()))
    for name, counts in totals.items():
        print(f"{name}: ", ", ".join(f"{count} {what}" for what, count in counts.items()))


if __name__ == "__main__":
    main()
