"""A metric of gates is one function with a decorator."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from check_files import CNN, gates_toml, run_check

from onnx_ood.audits.check import registry
from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.check.registry import Metric, MetricValue, measure, register_metric
from onnx_ood.exceptions import UsageError


@pytest.fixture
def node_count(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """A new metric, for the length of one test."""
    for name in ("_metrics", "_functions"):
        for key in ("node-count", "named"):
            monkeypatch.setitem(getattr(registry, name), key, None)
            monkeypatch.delitem(getattr(registry, name), key)
    metric = Metric(
        name="node-count", meaning="nodes", audit="file", advice="simplify the graph", unit="nodes", needs=()
    )

    @register_metric(metric)
    def nodes(runner: object) -> MetricValue:
        return MetricValue(len(runner.model.proto.graph.node))  # type: ignore[attr-defined]

    return metric


def test_a_new_metric_can_be_bounded(tmp_path: Path, node_count: Metric) -> None:
    nodes = len(onnx.load(CNN).graph.node)
    text = f"[models.cnn]\npath = '{CNN}'\n" + gates_toml('metric = "node-count"\nmax = 3')
    (gate,) = run_check(tmp_path, text).gates
    assert (gate.found, gate.unit, gate.outcome, gate.advice) == (
        nodes,
        "nodes",
        "failed",
        "simplify the graph",
    )
    with pytest.raises(UsageError, match="metric 'node-cuont'; did you mean 'node-count'"):
        run_check(tmp_path, text.replace("node-count", "node-cuont"))


def test_a_function_gets_the_target_and_set_its_metric_has(node_count: Metric) -> None:
    metric = Metric(name="named", meaning="m", audit="score", advice="a", target="detector", takes_set=True)
    register_metric(metric)(lambda runner, target, set_name: MetricValue(f"{runner} {target} {set_name}"))
    assert measure(metric, "runner", "msp", None).value == "runner msp None"  # type: ignore[arg-type]


def test_a_name_is_registered_once(node_count: Metric) -> None:
    with pytest.raises(ValueError, match="'node-count' is registered twice"):
        register_metric(node_count)


@pytest.mark.parametrize(
    ("value", "known"), [(1.0, True), (float("nan"), False), (float("inf"), False), ("cpu", True)]
)
def test_numbers_that_are_not_finite_are_unknown(value: float | str, known: bool) -> None:
    assert MetricValue(value).known is known


def test_every_metric_describes_itself() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name == name.lower().replace("_", "-")
        assert metric.meaning
        assert metric.advice
        assert set(metric.needs) <= {"inputs", "reference", "baseline-model"}
        # Without running the model there are no inputs to need.
        assert (metric.audit == "file") == (not metric.needs)
