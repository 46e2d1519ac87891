"""External data files against folders laid out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_models
from onnx import ModelProto, TensorProto, helper, numpy_helper

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.external import (
    data_files,
    embed_values,
    external_fields,
    relocated,
    stored_bytes,
    stored_tensors,
    with_values,
)


def placed(name: str, location: str, dims: Sequence[int] = (2,), **fields: object) -> TensorProto:
    tensor = TensorProto(
        name=name, data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL
    )
    for key, value in ({"location": location} | fields).items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return tensor


def model(*tensors: TensorProto) -> ModelProto:
    made = small_models.build("g (float[2] x) => (float[2] y) { y = Neg (x) }")
    made.graph.initializer.extend(tensors)
    return made


def test_stored_tensors_are_found_at_any_depth() -> None:
    def constant(name: str) -> onnx.NodeProto:
        value = numpy_helper.from_array(np.zeros(1, np.float32), name)
        return helper.make_node("Constant", [], [f"{name}_out"], value=value)

    def branch(name: str) -> onnx.GraphProto:
        stored = numpy_helper.from_array(np.zeros(1, np.float32), f"{name}_stored")
        return helper.make_graph(
            [constant(name)], name, [], [onnx.ValueInfoProto(name=f"{name}_out")], [stored]
        )

    made = model(numpy_helper.from_array(np.zeros(1, np.float32), "top"))
    sparse = made.graph.sparse_initializer.add()
    sparse.values.name, sparse.indices.name = "values", "indices"
    made.graph.node.append(
        helper.make_node("If", ["c"], ["z"], then_branch=branch("then"), else_branch=branch("else"))
    )
    several = onnx.AttributeProto(name="several", type=onnx.AttributeProto.TENSORS)
    several.tensors.extend(TensorProto(name=f"listed{i}") for i in range(2))
    special = helper.make_node("Special", [], ["s"])
    special.attribute.append(several)
    made.graph.node.append(special)
    inside = helper.make_node("If", ["c"], ["r"], then_branch=branch("f_then"), else_branch=branch("f_else"))
    made.functions.append(helper.make_function("mine", "F", ["c"], ["r"], [constant("f"), inside], []))
    branches = ("then", "else", "f_then", "f_else")
    expected = ["top", "values", "indices", "listed0", "listed1", "f"]
    expected += [name for one in branches for name in (one, f"{one}_stored")]
    assert sorted(tensor.name for tensor in stored_tensors(made)) == sorted(expected)


def test_only_external_tensors_have_fields() -> None:
    tensor = placed("w", "data", offset=8, length=4)
    assert external_fields(tensor) == {"location": "data", "offset": "8", "length": "4"}
    tensor.data_location = TensorProto.DEFAULT
    assert external_fields(tensor) == {}


@pytest.mark.parametrize(("size", "enough"), [(17, True), (16, True), (15, False)])
def test_a_file_reaches_to_the_last_byte_of_all_its_tensors(tmp_path: Path, size: int, enough: bool) -> None:
    (tmp_path / "data").write_bytes(bytes(size))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more").write_bytes(b"")
    made = model(
        placed("a", "data", [2], offset=8, length=8),
        placed("b", "sub/more", [0]),
        placed("c", "data", [2], length=0),
        numpy_helper.from_array(np.zeros(2, np.float32), "own"),
    )
    path = tmp_path / "model.onnx"
    if enough:
        assert data_files(made, path) == (tmp_path / "data", tmp_path / "sub" / "more")
    else:
        with pytest.raises(ModelError, match="'data' is truncated: it has 15 of 16 bytes"):
            data_files(made, path)


@pytest.mark.parametrize(
    "location",
    ["", "/etc/passwd", "../data", "sub/../../data", "C:\\data", "\\\\host\\data", "sub\\..\\data"],
)
def test_paths_out_of_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    with pytest.raises(ModelError, match="not a plain path inside the model's folder"):
        data_files(model(placed("w", location)), tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("0", True),
        ("9" * 18, True),
        ("1" + "0" * 18, False),
        ("9" * 50, False),
        ("-1", False),
        ("1.5", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("key", ["offset", "length"])
def test_bytes_are_counted_by_plain_numbers(tmp_path: Path, key: str, text: str, valid: bool) -> None:
    (tmp_path / "data").write_bytes(b"")
    message = (
        r"is truncated|has 9+ bytes of external data, but its type and shape need 0"
        if valid
        else f"external data has {key} '{text[:40]}', not a number of bytes"
    )
    made = model(placed("w", "data", [0], **{key: text}))
    if text == "0":
        assert data_files(made, tmp_path / "model.onnx") == (tmp_path / "data",)
    else:
        with pytest.raises(ModelError, match=message):
            data_files(made, tmp_path / "model.onnx")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'data' is missing"):
        data_files(model(placed("w", "data")), tmp_path / "model.onnx")


def hub(tmp_path: Path) -> Path:
    """A folder as of a model hub: model and data are links into one store."""
    store, shown = tmp_path / "blobs", tmp_path / "snapshot"
    store.mkdir()
    shown.mkdir()
    (store / "aaa").write_bytes(b"model")
    (store / "bbb").write_bytes(np.array([1, 2], np.float32).tobytes())
    (shown / "model.onnx").symlink_to(store / "aaa")
    (shown / "data").symlink_to(store / "bbb")
    return shown


def test_links_into_the_model_s_own_store_are_followed_and_others_refused(tmp_path: Path) -> None:
    shown = hub(tmp_path)
    made = model(placed("w", "data", length=8))
    assert data_files(made, shown / "model.onnx") == (shown / "data",)
    (shown / "model.onnx").unlink()
    (shown / "model.onnx").write_bytes(b"model")
    with pytest.raises(ModelError, match="'data' is a link out of the model's folder"):
        data_files(made, shown / "model.onnx")


def test_links_are_replaced_by_the_files_they_lead_to(tmp_path: Path) -> None:
    shown = hub(tmp_path)
    (shown / "plain").write_bytes(np.array([3, 4], np.float32).tobytes())
    made = model(placed("w", "data", length=8), placed("v", "plain", offset=0, length=8))
    before = made.SerializeToString(deterministic=True)
    found, folder = relocated(made, shown / "model.onnx")
    assert made.SerializeToString(deterministic=True) == before
    fields = [external_fields(tensor) for tensor in found.graph.initializer]
    files = [folder / one["location"] for one in fields]
    assert [file.resolve() for file in files] == [tmp_path / "blobs" / "bbb", shown / "plain"]
    assert not any(file.is_symlink() for file in files)
    assert [one["length"] for one in fields] == ["8", "8"]
    assert fields[1]["offset"] == "0"


def test_without_links_the_model_stays_itself(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(8))
    made = model(placed("w", "data", length=8))
    found, folder = relocated(made, tmp_path / "model.onnx")
    assert found is made
    assert folder == tmp_path


@pytest.mark.parametrize("fields", [{}, {"length": 0}, {"length": 8}])
def test_values_reach_as_far_as_type_and_shape_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, int]
) -> None:
    """As onnxruntime reads them: from the model's folder, whatever the working folder, and no further than needed."""
    folder, elsewhere = tmp_path / "model", tmp_path / "elsewhere"
    for place in (folder, elsewhere):
        place.mkdir()
        (place / "data").write_bytes(
            np.array([9, 1, 2, 9], np.float32).tobytes() if place == folder else bytes(16)
        )
    monkeypatch.chdir(elsewhere)
    tensor = placed("w", "data", offset=4, **fields)
    found = with_values(tensor, Path("../model/model.onnx"))
    np.testing.assert_array_equal(numpy_helper.to_array(found), np.array([1, 2], np.float32))
    assert external_fields(tensor)  # the tensor itself is as it was
    made = model(tensor)
    made.graph.node.append(helper.make_node("Constant", [], ["k"], value=tensor))
    embed_values(made, folder / "model.onnx")
    assert [numpy_helper.to_array(one).tolist() for one in stored_tensors(made)] == [[1, 2], [1, 2]]


def test_a_length_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(16))
    with pytest.raises(ModelError, match="'w' has 12 bytes of external data, but its type and shape need 8"):
        data_files(model(placed("w", "data", length=12)), tmp_path / "model.onnx")


@pytest.mark.parametrize(("kind", "dims", "size"), [("INT4", [3], 2), ("BFLOAT16", [3], 6), ("BOOL", [], 1)])
def test_small_types_share_bytes(kind: str, dims: list[int], size: int) -> None:
    assert stored_bytes(TensorProto(data_type=TensorProto.DataType.Value(kind), dims=dims)) == size


@pytest.mark.parametrize(("kind", "dims"), [("STRING", [3]), ("UNDEFINED", [3]), ("FLOAT", [-1])])
def test_bytes_of_what_has_no_size_are_unknown(kind: str, dims: list[int]) -> None:
    assert stored_bytes(TensorProto(data_type=TensorProto.DataType.Value(kind), dims=dims)) is None
