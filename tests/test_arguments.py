"""Arguments of wrong types are refused at the boundary, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
from numpy.typing import ArrayLike

import onnx_ood
from onnx_ood import models
from onnx_ood._arguments import check_fields, check_type, checked
from onnx_ood.exceptions import InputTypeError, ModelError, OnnxOodError, UsageError
from onnx_ood.graph import suggest_probes
from onnx_ood.inputs import open_inputs, parse
from onnx_ood.runtime import JacobianProber, jacobian_norms

TYPES = [
    (int, [3, np.int64(3)], [True, 3.0, "3", None], "int"),
    (float, [3, 0.5, np.float32(1)], [False, "1", 1j], "float"),
    (bool, [True, np.bool_(False)], [0, "yes"], "bool"),
    (str, ["a"], [b"a", Path("a")], "str"),
    (str | Path, ["a", Path("a")], [b"a", 3], "a path"),
    (int | None, [3, None], ["3"], "int or None"),
    (Literal["auto", "cpu"], ["cpu"], ["cuda", 3], "'auto' or 'cpu'"),
    (Iterable[str], [["a"], ("a",), {"a"}], ["a", b"a", [1], {"a", 2}], "a list of str"),
    (Sequence[int | None], [[1, None]], ["a", [1.5], {1}], "a list of int or None"),
    (Mapping[str, float], [{}, {"a": 1}], [[("a", 1)], {1: 1}, {"a": "b"}], "a mapping of str to float"),
    (Callable[[int], None] | None, [print, None], [3], "a function or None"),
    (np.ndarray, [np.zeros(2)], [[0, 0]], "ndarray"),
]


@pytest.mark.parametrize(("hint", "good", "bad", "expected"), TYPES, ids=[str(one[-1]) for one in TYPES])
def test_a_value_is_compared_with_its_annotation(hint, good, bad, expected):
    for value in good:
        assert check_type(value, hint, "given") is value
    for value in bad:
        with pytest.raises(InputTypeError) as error:
            check_type(value, hint, "given")
        # Of a choice the wrong word says more than its type.
        found = repr(value) if "'auto'" in expected and isinstance(value, str) else type(value).__name__
        assert str(error.value).startswith(f"given: expected {expected}, found {found}")


def test_the_items_of_a_wrong_list_are_described():
    with pytest.raises(TypeError, match="found list of int and str"):
        check_type(["a", 3], Iterable[str], "probes")
    with pytest.raises(TypeError, match="found dict of str to int"):
        check_type({"a": 3}, Mapping[str, str], "feeds")


def test_an_iterator_is_read_once_and_kept():
    assert check_type(iter(["a", "b"]), str | Iterable[str], "probes") == ("a", "b")


@pytest.mark.parametrize("hint", [Any, ArrayLike, ArrayLike | None])
def test_what_is_checked_elsewhere_passes(hint):
    assert check_type("anything", hint, "given") == "anything"


def test_fields_of_a_dataclass_are_checked():
    @dataclass
    class Point:
        x: int

        def __post_init__(self) -> None:
            check_fields(self)

    assert Point(3).x == 3
    with pytest.raises(InputTypeError, match="x: expected int, found str"):
        Point("3")  # type: ignore[arg-type]


def test_an_unknown_argument_is_compared_with_the_known_ones():
    @checked
    def halve(count: int = 2) -> float:
        return count / 2

    assert halve() == 1
    with pytest.raises(UsageError, match=r"halve: unknown argument 'cuont'; did you mean 'count'\?"):
        halve(cuont=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"halve\(\) too many positional arguments"):
        halve(1, 2)  # type: ignore[call-arg]


PATH = models.path("fashion_cnn")
IMAGES = np.full((2, 1, 28, 28), 0.5, np.float32)
NUDGES = np.full((1, 1, 28, 28), 0.01)


@pytest.fixture(scope="module")
def model():
    return onnx_ood.load(PATH)


@pytest.fixture(scope="module")
def prober(model):
    return onnx_ood.Prober(model, onnx_ood.select(model, "outputs"), provider="cpu")


@pytest.fixture(scope="module")
def calls(model, prober, tmp_path_factory):
    """Public functions with arguments that they take."""
    measured = {"batch": IMAGES, "provider": "cpu", "site": None, "batch_size": None, "feeds": None}
    output = onnx_ood.select(model, "outputs")
    jacobian = JacobianProber(model, provider="cpu")
    page = tmp_path_factory.mktemp("out") / "page.html"
    result = onnx_ood.inspect(model)
    return {
        "load": (onnx_ood.load, {"path": PATH}),
        "select": (onnx_ood.select, {"model": model, "selectors": "outputs", "site": None}),
        "suggest_probes": (suggest_probes, {"model": model, "limit": 3, "site": None}),
        "instrument": (
            onnx_ood.instrument,
            {"model": model, "probes": "outputs", "sites": (), "keep_outputs": True, "prune": False},
        ),
        "measure": (onnx_ood.measure, {"model": model, "probes": "outputs", "nudges": NUDGES, **measured}),
        "observer_effect": (onnx_ood.observer_effect, {"model": model, "probes": "outputs", **measured}),
        "Prober": (
            onnx_ood.Prober,
            {"model": model, "probes": output, "site": None, "provider": "cpu", "exact": False, "feeds": ()},
        ),
        "Prober.measure": (prober.measure, {"batch": IMAGES, "nudges": NUDGES, "feeds": None}),
        "Prober.noise_floor": (prober.noise_floor, {"batch": IMAGES, "feeds": None, "seed": 0}),
        "JacobianProber": (
            JacobianProber,
            {"model": model, "probe": None, "patterns": (), "provider": "cpu"},
        ),
        "JacobianProber.measure": (
            jacobian.measure,
            {"batch": IMAGES, "directions": 2, "seed": 0, "step": 0.01},
        ),
        "jacobian_norms": (jacobian_norms, {"model": model, "probe": None, "directions": 2, **measured}),
        "find_detector": (onnx_ood.find_detector, {"name": "msp"}),
        "list_detectors": (onnx_ood.list_detectors, {"pattern": "*"}),
        "register_detector": (onnx_ood.register_detector, {"detector": type(onnx_ood.find_detector("msp"))}),
        "open_inputs": (open_inputs, {"inputs": IMAGES}),
        "parse": (parse, {"text": "imagenet", "input_shape": (1, 3, 64, 64)}),
        "Streaming": (onnx_ood.Streaming, {"path": "x.jsonl", "resume": False, "most_listed": 3}),
        "inspect": (onnx_ood.inspect, {"model": model}),
        "to_html": (result.to_html, {"path": page}),
        "to_json": (result.to_json, {"path": page}),
        "read_result": (onnx_ood.read_result, {"path": "none.json"}),
        "read_summary": (onnx_ood.read_summary, {"path": "none.jsonl"}),
        "diff": (onnx_ood.diff, {"a": result, "b": "none.json"}),
    }


NAMES = [
    "load", "select", "suggest_probes", "instrument", "measure", "observer_effect", "Prober", "Prober.measure",
    "Prober.noise_floor", "JacobianProber", "JacobianProber.measure", "jacobian_norms", "find_detector",
    "list_detectors", "register_detector", "open_inputs", "parse", "Streaming", "inspect", "to_html", "to_json",
    "read_result", "read_summary", "diff",
]  # fmt: skip
WRONG = [object(), b"x", {3: object()}, [object()], 1.5j, np.array([1 + 2j]), np.array([None])]


@pytest.mark.parametrize("name", NAMES)
def test_public_functions_refuse_wrong_types_by_name(calls, name):
    function, arguments = calls[name]
    for argument in arguments:
        for wrong in WRONG:
            with pytest.raises((OnnxOodError, TypeError)) as error:
                function(**{**arguments, argument: wrong})
            assert isinstance(error.value, UsageError | TypeError)
            assert "\n" not in str(error.value)
            if isinstance(error.value, InputTypeError):
                assert str(error.value).startswith(f"{argument}")
            elif not isinstance(error.value, UsageError):
                assert "is not a subclass" in str(error.value)


@pytest.mark.parametrize("name", [one for one in NAMES if one not in ("to_html", "Streaming", "open_inputs")])
def test_public_functions_refuse_unknown_arguments_by_name(calls, name):
    function, arguments = calls[name]
    with pytest.raises((UsageError, TypeError), match="'sight'"):
        function(**arguments, sight=3)


@pytest.mark.parametrize(
    "audit", ["score", "fit", "bench", "directions", "sensitivity", "plane", "preprocess"]
)
def test_audits_refuse_a_progress_that_is_no_function(audit):
    arguments = {
        "fit": [PATH], "bench": [PATH, IMAGES], "directions": [PATH, IMAGES], "sensitivity": [[PATH], IMAGES],
    }.get(audit, [PATH, IMAGES])  # fmt: skip
    with pytest.raises(InputTypeError, match="progress: expected a function or None, found int"):
        getattr(onnx_ood, audit)(*arguments, progress=3)


def test_an_option_that_a_page_does_not_have_is_named(tmp_path):
    result = onnx_ood.inspect(PATH)
    with pytest.raises((UsageError, TypeError), match="'thumbnail"):
        result.to_html(tmp_path / "x.html", thumbnails=True)


@pytest.mark.parametrize("provider", ["gpu", "", "CPU"])
def test_an_unknown_provider_is_refused(model, provider):
    with pytest.raises(UsageError, match="provider"):
        onnx_ood.Prober(model, onnx_ood.select(model, "outputs"), provider=provider)


class TestNumbers:
    """Arrays hold real numbers, without NaN."""

    @pytest.mark.parametrize(
        "call", ["measure", "observer_effect", "Prober.measure", "JacobianProber.measure"]
    )
    @pytest.mark.parametrize(
        "batch",
        [IMAGES + 1j, IMAGES.astype(object), IMAGES.astype(str), [[1], [1, 2]], None],
        ids=["complex", "objects", "text", "ragged", "None"],
    )
    def test_a_batch_of_something_else(self, calls, call, batch):
        function, arguments = calls[call]
        with pytest.raises(UsageError, match=r"batch.* is not an array of numbers"):
            function(**{**arguments, "batch": batch})

    @pytest.mark.parametrize("call", ["measure", "observer_effect"])
    def test_a_batch_with_nan(self, calls, call):
        function, arguments = calls[call]
        batch = IMAGES.copy()
        batch[1, 0, :2, 3] = np.nan
        with pytest.raises(UsageError, match="batch: found 2 NaN among 1568 values"):
            function(**{**arguments, "batch": batch})

    @pytest.mark.parametrize("nudges", [NUDGES + 1j, NUDGES.astype(object), NUDGES * np.nan, [[1], [1, 2]]])
    def test_nudges(self, calls, nudges):
        function, arguments = calls["measure"]
        with pytest.raises(UsageError, match="nudges"):
            function(**{**arguments, "nudges": nudges})

    @pytest.mark.parametrize("step", [0, -1e-3, [0.1, 0.1, 0.1], [[0.1, 0.2]], "0.1", 1j])
    def test_steps(self, calls, step):
        function, arguments = calls["JacobianProber.measure"]
        with pytest.raises(UsageError, match="step"):
            function(**{**arguments, "step": step})

    def test_seeds(self, calls):
        function, arguments = calls["Prober.noise_floor"]
        with pytest.raises(UsageError, match="seed must be 0 or larger, but is -1"):
            function(**{**arguments, "seed": -1})


def test_content_of_a_model_is_refused_with_advice() -> None:
    path = models.path("fashion_cnn")
    for content in (onnx.load(path), path.read_bytes()):
        with pytest.raises(
            InputTypeError, match=r"^model: expected a path or Model, found .*; save it to a file"
        ):
            onnx_ood.inspect(content)
    with pytest.raises(TypeError, match=r"too many positional arguments; name them: probes=, sites="):
        onnx_ood.instrument(path, ["op:Relu"])


def test_a_stored_result_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"schema": "onnx-ood/score/3"}')
    with pytest.raises(ModelError, match=r"result.json: holds JSON.*onnx_ood.read_result"):
        onnx_ood.load(tmp_path / "result.json")
