"""What the runtime refuses is said in one line that names the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from onnx import ModelProto
from onnx.external_data_helper import convert_model_to_external_data

from onnx_ood import ModelError
from onnx_ood.runtime.session import OutOfMemoryError, Session

FILE = Path("somewhere/net.onnx")


def session(model: ModelProto, path: Path = FILE) -> Session:
    return Session(model, path, "cpu")


def assert_one_line(error: pytest.ExceptionInfo[ModelError], *words: str) -> None:
    message = str(error.value)
    assert message.startswith(f"{FILE}: onnxruntime cannot ")
    assert "\n" not in message
    assert len(message) < 400
    assert "ONNXRuntimeError" not in message
    assert not re.search(r"\b\d+ : [A-Z_]+ : ", message)
    assert "onnxruntime_src" not in message
    for word in words:
        assert word in message


def test_an_unknown_operator() -> None:
    with pytest.raises(ModelError) as caught:
        session(small_models.build("g (float[N] x) => (float[N] y) { y = NoSuchOperator (x) }"))
    assert_one_line(caught, "cannot load it", "NoSuchOperator")


def test_an_operator_of_an_unknown_domain() -> None:
    with pytest.raises(ModelError) as caught:
        session(
            small_models.build("g (float[N] x) => (float[N] y) { y = my.own.Thing (x) }", domains=["my.own"])
        )
    assert_one_line(caught, "my.own")


def test_a_tensor_that_does_not_exist() -> None:
    with pytest.raises(ModelError) as caught:
        session(small_models.marked(small_models.classifier(), ["nothing"]))
    assert_one_line(caught, "nothing")


def test_a_missing_input() -> None:
    with pytest.raises(ModelError) as caught:
        session(small_models.two_inputs()).run(["y"], {"embedding": np.zeros((1, 4, 6), np.float32)})
    assert_one_line(caught, "cannot run it", "mask")


@pytest.mark.parametrize("shape", [(1, 3, 8), (1, 4, 8, 8)])
def test_a_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        session(small_models.classifier()).run(["logits"], {"image": np.zeros(shape, np.float32)})
    assert_one_line(caught, "cannot run it", "image")


def test_a_wrong_dtype() -> None:
    with pytest.raises(ModelError) as caught:
        session(small_models.classifier()).run(["logits"], {"image": small_models.images(1, dtype="float64")})
    assert_one_line(caught, "cannot run it", "double", "float")


def test_a_failure_on_the_way() -> None:
    model = small_models.build(
        "g (float[N, 4] x) => (float[1, 4] y) { y = Reshape (x, to) }", {"to": np.array([1, 4], np.int64)}
    )
    with pytest.raises(ModelError) as caught:
        session(model).run(["y"], {"x": np.zeros((2, 4), np.float32)})
    assert_one_line(caught, "cannot run it", "Reshape")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ir_version": 99}, r"Unsupported model IR version: 99, max supported IR version: \d+$"),
        ({"opset": 99}, r"Opset 99 is under development .* support for domain ai\.onnx is till opset \d+\.$"),
    ],
)
def test_a_reason_is_kept_in_full(change: dict[str, int], reason: str) -> None:
    """The runtime puts 200 characters of C++ signature before these reasons."""
    model = small_models.classifier()
    model.ir_version = change.get("ir_version", model.ir_version)
    model.opset_import[0].version = change.get("opset", model.opset_import[0].version)
    with pytest.raises(ModelError, match=reason) as caught:
        session(model)
    assert not re.search(r"\d+ : [A-Z_]+ : |onnxruntime_src|onnxruntime::", str(caught.value))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("[ONNXRuntimeError] : 1 : FAIL : No.", "No."),
        ("1 : FAIL : No.", "No."),
        ("Exception: [ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : No.", "Exception: No."),
        ("Failed:/src/a.cc:1 void a::f(std::function<void(int)>, int) const No (x).\nAll.", "Failed: No (x). All."),
        ("D:\\a\\_work\\core\\b.h:12 a::b::operator()(const X<(1)>&) const [with T = f(int)] No.", "No."),
        ("One /s/a.cc:1 a::f() two /s/b.cu:22 b::g(c(*)(d)) three", "One two three"),
        ("Ratio 3 : 4 : Large is not a status.", "Ratio 3 : 4 : Large is not a status."),
    ],
)  # fmt: skip
def test_status_and_source_positions_are_left_out(
    message: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(ModelError) as caught:
        session(small_models.classifier())
    assert str(caught.value) == f"{FILE}: onnxruntime cannot load it: {reason}"


def test_types_are_the_runtimes() -> None:
    marked = small_models.marked(small_models.contrib(), ["h", "codes"])
    assert session(marked).dtypes == {"y": "float32", "h": "float32", "codes": "tensor(uint8)"}


@pytest.mark.parametrize(
    ("make", "output", "tensor"),
    [
        (small_models.classifier, "logits", True),
        (small_models.labels, "label", True),
        (small_models.sequence, "y", True),
        (small_models.sequence, "parts", False),
    ],
)
def test_tensors_are_told_from_sequences(make: Callable[[], ModelProto], output: str, tensor: bool) -> None:
    assert session(make()).is_tensor(output) is tensor


def test_weights_are_read_from_the_folder_of_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_models.classifier()
    feeds = {"image": small_models.images(2)}
    expected = session(model).run(["logits"], feeds)[0]
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, tmp_path / "model.onnx")
    slim = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    np.testing.assert_array_equal(session(slim, tmp_path / "model.onnx").run(["logits"], feeds)[0], expected)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(session(slim, Path("model.onnx")).run(["logits"], feeds)[0], expected)


class TestBound:
    """Runs with inputs and outputs bound, against plain runs."""

    def test_gives_what_a_plain_run_gives(self) -> None:
        made, images = session(small_models.classifier()), small_models.images(6)
        (expected,) = made.run(["logits"], {"image": images})
        for shape in (None, (6, 5)):
            (found,) = made.run_bound({"logits": shape}, {"image": images})
            np.testing.assert_array_equal(found, expected)
            # What stays on the device is fed as often as it is wanted.
            held = made.bring(images)
            for _ in range(2):
                (found,) = made.run_bound({"logits": shape}, {"image": held})
                np.testing.assert_array_equal(found, expected)

    def test_memory_is_reused_and_results_are_not_in_it(self) -> None:
        made = session(small_models.classifier())
        first, second = small_models.images(6), small_models.images(4, seed=8)
        (a,) = made.run_bound({"logits": (6, 5)}, {"image": first})
        where = made._buffers["logits"].data_ptr()
        (b,) = made.run_bound({"logits": (4, 5)}, {"image": second})
        assert made._buffers["logits"].data_ptr() == where
        (c,) = made.run_bound({"logits": (6, 5)}, {"image": -first})
        assert made._buffers["logits"].data_ptr() == where
        for found, images in ((a, first), (b, second), (c, -first)):
            np.testing.assert_array_equal(found, made.run(["logits"], {"image": images})[0])

    def test_memory_grows_with_what_is_run(self) -> None:
        made = session(small_models.classifier())
        for count in (2, 7):
            images = small_models.images(count)
            (found,) = made.run_bound({"logits": (count, 5)}, {"image": images})
            np.testing.assert_array_equal(found, made.run(["logits"], {"image": images})[0])
            assert made._buffers["logits"].shape() == [count * 5]

    def test_inputs_may_lie_in_memory_as_they_like(self) -> None:
        made = session(small_models.classifier())
        turned = np.asfortranarray(small_models.images(3))
        (found,) = made.run_bound({"logits": None}, {"image": turned})
        np.testing.assert_array_equal(found, made.run(["logits"], {"image": turned.copy("C")})[0])

    def test_scalars_stay_scalars(self) -> None:
        made = session(small_models.build("g (float x) => (int64[R] y) { y = Shape (x) }"))
        for value in (np.float32(3), np.array(3, np.float32)):
            (found,) = made.run_bound({"y": None}, {"x": np.asarray(value)})
            assert found.shape == (0,)
        (found,) = made.run_bound({"y": None}, {"x": made.bring(np.array(3, np.float32))})
        assert found.shape == (0,)

    def test_failures_are_said_in_one_line(self) -> None:
        with pytest.raises(ModelError) as caught:
            session(small_models.classifier()).run_bound(
                {"logits": None}, {"image": np.zeros((1, 4, 8, 8), np.float32)}
            )
        assert_one_line(caught, "cannot run it", "image")

    def test_no_room_for_what_is_brought_is_told_from_other_errors(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 5")

        made = session(small_models.classifier())
        monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_numpy", full)
        with pytest.raises(OutOfMemoryError):
            made.bring(np.zeros(3))

    @pytest.mark.gpu
    def test_what_is_brought_and_what_is_kept_is_on_the_device(self) -> None:
        made = Session(small_models.classifier(), FILE, "cuda")
        images = small_models.images(6)
        held = made.bring(images)
        assert held.device_name() == "cuda"
        (found,) = made.run_bound({"logits": (6, 5)}, {"image": held})
        assert made._buffers["logits"].device_name() == "cuda"
        expected = session(small_models.classifier()).run(["logits"], {"image": images})[0]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("tf32", [False, True])
def test_tf32_is_off_unless_asked_for(tf32: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    class StoppedError(Exception):
        pass

    def create(*_: object, providers: list[object], **_options: object) -> None:
        asked.update(dict(entry for entry in providers if isinstance(entry, tuple)))
        raise StoppedError

    monkeypatch.setattr(onnxruntime, "InferenceSession", create)
    with pytest.raises(ModelError):
        Session(small_models.classifier(), FILE, "cuda", tf32=tf32)
    assert asked["CUDAExecutionProvider"]["use_tf32"] == str(int(tf32))


def test_nodes_are_counted_where_they_run() -> None:
    assert set(session(small_models.classifier()).placement) == {"CPUExecutionProvider"}


def test_maps_become_rows_in_the_order_of_their_keys() -> None:
    made = small_models.build(
        """maps (float[N, 3] p) => (seq(map(int64, float)) y) {
            y = ai.onnx.ml.ZipMap <classlabels_int64s = [7, -2, 5]> (p)
        }""",
        domains=["ai.onnx.ml"],
    )
    opened = session(made)
    rows = small_models.normal(4, 3)
    assert opened.is_tensor("y")
    np.testing.assert_array_equal(opened.run(["y"], {"p": rows})[0], rows[:, [1, 2, 0]])
