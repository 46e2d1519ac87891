"""Reading model files: what a good one gives, and what a bad or hostile one does."""

from __future__ import annotations

import os
import pickle
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import onnx
import pytest
import small_models
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import convert_model_to_external_data

import onnx_ood
from onnx_ood import ModelError
from onnx_ood.graph import Model, load, once_per_model

Save = Callable[..., Path]


def save_external(folder: Path, **fields: str) -> Path:
    """The classifier with its weights in `weights.bin`; `fields` replace what the file says of the first one."""
    model = small_models.classifier()
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    path = folder / "model.onnx"
    onnx.save(model, path)
    model = onnx.load(path, load_external_data=False)
    first = model.graph.initializer[0]
    stated = {entry.key: entry.value for entry in first.external_data} | fields
    del first.external_data[:]
    for key, value in stated.items():
        first.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


class TestAGoodFile:
    def test_says_what_is_in_it(self, save: Save) -> None:
        path = save(small_models.classifier())
        model = onnx_ood.load(path)
        assert model.path == path
        assert [tensor.name for tensor in model.inputs] == ["image"]
        assert model.outputs == ("logits",)
        assert model.opsets == {"ai.onnx": small_models.OPSET}
        assert model.operators == {"Conv": 2, "Relu": 2, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}
        assert model.parameters == 8 * 3 * 9 + 8 + 16 * 8 * 9 + 5 * 16 + 5
        assert model.size == path.stat().st_size
        assert model.data_files == ()

    def test_says_which_values_choose_a_branch(self, save: Save) -> None:
        text = """
            g (float[N, 4] x, float[N, 4] z) => (float[N, 4] y) {
                n = Size (z)  large = Greater (n, limit)  total = ReduceSum <keepdims = 0> (x)
                on = Cast <to = 9> (total)
                a = If (large) <then_branch = t () => (float[N, 4] p) { p = Relu (x) },
                    else_branch = e () => (float[N, 4] q) { q = Neg (x) }>
                y = If (on) <then_branch = t () => (float[N, 4] r) { r = Relu (a) },
                    else_branch = e () => (float[N, 4] s) { s = Neg (z) }>
            }
        """
        model = onnx_ood.load(save(small_models.build(text, {"limit": small_models.np.array(9)})))
        assert (model.branches_by("x"), model.branches_by("z")) == (True, False)
        switched = onnx_ood.load(save(small_models.with_if()))
        assert (switched.branches_by("switch"), switched.branches_by("x")) == (True, False)

    def test_may_be_pickled(self, save: Save) -> None:
        model = onnx_ood.load(save(small_models.classifier()))
        again = pickle.loads(pickle.dumps(model))
        assert again.path == model.path
        assert again.proto == model.proto

    def test_may_be_named_by_a_string(self, save: Save) -> None:
        assert onnx_ood.load(str(save(small_models.residual()))).outputs == ("y",)

    def test_names_operators_of_other_domains_in_full(self, save: Save) -> None:
        operators = onnx_ood.load(save(small_models.contrib())).operators
        assert operators["com.microsoft::QuickGelu"] == 1
        assert operators["Relu"] == 1

    def test_counts_numbers_in_subgraphs_and_constants(self, save: Save) -> None:
        model = small_models.build(
            """
            g (float[N] x, bool on) => (float[N] y) {
                y = If (on) <
                    then_branch = a () => (float[N] t) { c = Constant <value = float[3] {1, 2, 3}> () t = Sum (x, c) },
                    else_branch = b () => (float[N] e) <float[2] w = {1, 2}> { e = Sum (x, w) }
                >
            }
            """
        )
        assert onnx_ood.load(save(model)).parameters == 5


class TestExternalData:
    def test_is_found_and_counted(self, tmp_path: Path) -> None:
        model = onnx_ood.load(save_external(tmp_path))
        assert model.data_files == (tmp_path / "weights.bin",)
        assert model.size == sum(file.stat().st_size for file in tmp_path.iterdir())

    def test_may_lie_in_a_folder_below(self, tmp_path: Path) -> None:
        path = save_external(tmp_path, location="below/first.bin", offset="0")
        (tmp_path / "below").mkdir()
        (tmp_path / "below" / "first.bin").write_bytes(bytes(4 * 8 * 3 * 9))
        assert len(onnx_ood.load(path).data_files) == 2

    def test_stays_on_disk(self, tmp_path: Path) -> None:
        big = 2 * 2**30 + 4096
        model = small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Add (x, w) }")
        weight = model.graph.initializer.add(
            name="w", data_type=TensorProto.FLOAT, dims=[big // 16, 4], data_location=TensorProto.EXTERNAL
        )
        weight.external_data.add(key="location", value="big.bin")
        weight.external_data.add(key="length", value=str(big))
        with (tmp_path / "big.bin").open("wb") as file:
            file.truncate(big)
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString())

        before = peak_memory()
        tracemalloc.start()
        try:
            loaded = onnx_ood.load(tmp_path / "model.onnx")
            onnx_ood.graph.rewrite(loaded, ["y"], [loaded.inputs[0].name])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert loaded.size > big
        assert loaded.parameters == big // 4
        assert peak < 10 * 2**20
        assert peak_memory() - before < 100 * 2**20

    @pytest.mark.parametrize(
        "location",
        [
            "../weights.bin",
            "below/../../weights.bin",
            "/etc/passwd",
            "..\\weights.bin",
            "C:\\weights.bin",
            "C:weights.bin",
            "\\\\server\\share\\weights.bin",
            "",
        ],
    )
    def test_outside_the_folder_is_refused(self, location: str, tmp_path: Path) -> None:
        folder = tmp_path / "model"
        folder.mkdir()
        path = save_external(folder, location=location)
        (tmp_path / "weights.bin").write_bytes(bytes(10_000))
        with pytest.raises(ModelError, match="not a plain path inside the model's folder; refused") as caught:
            onnx_ood.load(path)
        assert repr(location) in str(caught.value)
        assert "'w1'" in str(caught.value)

    def test_that_links_out_of_the_folder_is_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "model"
        folder.mkdir()
        path = save_external(folder)
        (folder / "weights.bin").rename(tmp_path / "secret")
        (folder / "weights.bin").symlink_to(tmp_path / "secret")
        with pytest.raises(ModelError, match=r"'weights\.bin' is a link out of the model's folder; refused"):
            onnx_ood.load(path)

    def test_that_links_out_through_a_folder_is_refused(self, tmp_path: Path) -> None:
        folder, outside = tmp_path / "model", tmp_path / "outside"
        folder.mkdir()
        outside.mkdir()
        path = save_external(folder, location="sub/weights.bin")
        (outside / "weights.bin").write_bytes(bytes(10_000))
        (folder / "sub").symlink_to(outside)
        with pytest.raises(ModelError, match="is a link out of the model's folder"):
            onnx_ood.load(path)

    def test_in_the_layout_of_model_hubs_is_allowed(self, tmp_path: Path) -> None:
        store, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
        store.mkdir()
        snapshot.mkdir(parents=True)
        path = save_external(store)
        (store / "weights.bin").rename(store / "0a1b")
        path.rename(store / "2c3d")
        (snapshot / "model.onnx").symlink_to("../../blobs/2c3d")
        (snapshot / "weights.bin").symlink_to("../../blobs/0a1b")
        measured = onnx_ood.measure(
            snapshot / "model.onnx",
            small_models.images(2),
            probes="op:Relu",
            nudges=small_models.normal(1, 3, 8, 8) * 0.01,
            provider="cpu",
        )
        plain = onnx_ood.measure(
            save_external(tmp_path),
            small_models.images(2),
            probes="op:Relu",
            nudges=small_models.normal(1, 3, 8, 8) * 0.01,
            provider="cpu",
        )
        assert (measured.dd == plain.dd).all()

    def test_that_is_missing_is_named(self, tmp_path: Path) -> None:
        path = save_external(tmp_path)
        (tmp_path / "weights.bin").unlink()
        with pytest.raises(ModelError, match=r"external data file 'weights\.bin' is missing"):
            onnx_ood.load(path)

    def test_that_is_truncated_is_named_with_its_sizes(self, tmp_path: Path) -> None:
        path = save_external(tmp_path)
        size = (tmp_path / "weights.bin").stat().st_size
        os.truncate(tmp_path / "weights.bin", size - 1)
        with pytest.raises(ModelError, match=rf"is truncated: it has {size - 1} of {size} bytes"):
            onnx_ood.load(path)

    @pytest.mark.parametrize("first", [0, 1])
    def test_has_to_be_long_enough_for_every_tensor_in_it(self, first: int, tmp_path: Path) -> None:
        model = small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Sum (x, a, b) }")
        for name in ("ab", "ba")[first]:
            weight = model.graph.initializer.add(name=name, data_type=TensorProto.FLOAT, dims=[4])
            weight.data_location = TensorProto.EXTERNAL
            for key, value in {
                "location": "w.bin",
                "offset": {"a": "0", "b": "16"}[name],
                "length": "16",
            }.items():
                weight.external_data.add(key=key, value=value)
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
        (tmp_path / "w.bin").write_bytes(bytes(31))
        with pytest.raises(ModelError, match="has 31 of 32 bytes"):
            onnx_ood.load(tmp_path / "model.onnx")

    def test_in_a_constant_inside_a_branch_is_checked_too(self, save: Save) -> None:
        model = small_models.with_if()
        branch = next(node for node in model.graph.node if node.op_type == "If").attribute[0].g
        hidden = branch.node.add(op_type="Constant", output=["c"]).attribute.add(
            name="value", type=onnx.AttributeProto.TENSOR
        )
        hidden.t.data_type, hidden.t.data_location = TensorProto.FLOAT, TensorProto.EXTERNAL
        hidden.t.external_data.add(key="location", value="../../etc/passwd")
        with pytest.raises(ModelError, match="passwd"):
            onnx_ood.load(save(model))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("length", "-1"),
            ("offset", "ten"),
            ("length", "9" * 5000),
            ("location", "a" * 5000),
            ("location", "a\0b"),
        ],
    )
    def test_with_nonsense_for_a_field_is_refused(self, field: str, value: str, tmp_path: Path) -> None:
        with pytest.raises(ModelError) as caught:
            onnx_ood.load(save_external(tmp_path, **{field: value}))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 1000


class TestABadFile:
    def test_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"nothing\.onnx: no such file"):
            onnx_ood.load(tmp_path / "nothing.onnx")

    def test_that_is_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"is a folder; name the \.onnx file in it"):
            onnx_ood.load(tmp_path)

    @pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
    def test_that_never_ends(self) -> None:
        with pytest.raises(ModelError, match="is not a regular file"):
            onnx_ood.load("/dev/zero")

    def test_whose_name_is_no_name(self) -> None:
        with pytest.raises(onnx_ood.UsageError, match="has a null character"):
            onnx_ood.load("a\0b")

    def test_that_is_larger_than_a_message_can_be(self, tmp_path: Path) -> None:
        with (tmp_path / "model.onnx").open("wb") as file:
            file.truncate(2**31)
        with pytest.raises(ModelError, match="larger than 2 GiB, the limit of the ONNX format"):
            onnx_ood.load(tmp_path / "model.onnx")

    @pytest.mark.parametrize(
        "content", [b"", b"hello, I am a text file\n", b"<html>404</html>", b"\x89PNG\r\n\x1a\n"]
    )
    def test_that_is_something_else(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(ModelError, match="is not an ONNX model"):
            onnx_ood.load(tmp_path / "model.onnx")

    @pytest.mark.parametrize(
        ("content", "way_out"),
        [
            (b"\x14\0\0\0ORTM\x0c", r"own format \(\.ort\).*export the original model again"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
            (b"\n<!DOCTYPE html><p>404</p>", "web page; download"),
            (b"PK\x03\x04\x14", "zip archive.*export the model to ONNX"),
        ],
    )
    def test_of_another_kind_is_named(self, content: bytes, way_out: str, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(ModelError, match=f"is not an ONNX model but.*{way_out}"):
            onnx_ood.load(tmp_path / "model.onnx")

    @given(content=st.binary(max_size=200))
    def test_of_random_bytes(self, content: bytes, save: Save) -> None:
        model = ModelProto()
        path = save(model)
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"(is|holds JSON,) not an ONNX model"):
            onnx_ood.load(path)

    @given(data=st.data())
    @settings(max_examples=200)
    def test_that_was_cut_off_anywhere(self, data: st.DataObject, save: Save) -> None:
        content = small_models.classifier().SerializeToString()
        path = save(ModelProto())
        path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        with pytest.raises(ModelError, match="is not an ONNX model"):
            onnx_ood.load(path)

    @given(data=st.data())
    @settings(max_examples=400)
    def test_with_bytes_changed_is_read_or_refused(self, data: st.DataObject, save: Save) -> None:
        """A damaged file may still be a model; it never ends in anything but ModelError."""
        content = bytearray(
            data.draw(
                st.sampled_from(
                    [
                        small_models.with_loop().SerializeToString(),
                        small_models.decomposed("mish").SerializeToString(),
                        small_models.decomposed("tanh gelu, halved last").SerializeToString(),
                        small_models.contrib().SerializeToString(),
                    ]
                )
            )
        )
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path = save(ModelProto())
        path.write_bytes(content)
        with suppress(ModelError):
            model = onnx_ood.load(path)
            assert model.parameters is not None
            assert model.operators is not None
            onnx_ood.graph.suggest_probes(model)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                "g (float[N] x) => (float[N] y) { a = Add (x, b) b = Neg (a) y = Neg (b) }",
                "depends on its own result",
            ),
            ("g (float[N] x) => (float[N] y) { y = Neg (x) y = Abs (x) }", "'y' is computed twice"),
            ("g (float[N] x) => (float[N] y) { y, y = Split (x) }", "'y' is computed twice"),
            ("g (float[N] x) => (float[N] y) { y = Neg (x) x = Neg (y) }", "depends on its own result"),
            (
                "g (float[N] x, float[N] z) => (float[N] y) { y = Neg (x) z = Neg (y) }",
                "'z' is both fed and computed",
            ),
        ],
    )
    def test_whose_graph_is_none(self, text: str, problem: str, save: Save) -> None:
        path = save(small_models.build(text))
        with pytest.raises(ModelError, match=problem) as caught:
            onnx_ood.load(path)
        assert str(caught.value).startswith(str(path))

    def test_without_a_graph(self, save: Save) -> None:
        model = small_models.classifier()
        model.ClearField("graph")
        with pytest.raises(ModelError, match="it has no graph"):
            onnx_ood.load(save(model))


def peak_memory() -> int:
    """Bytes of this process that were ever resident, where the system tells."""
    resource = pytest.importorskip("resource")
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def test_a_symbolic_size_that_is_not_text_is_read_all_the_same(tmp_path: Path) -> None:
    content = small_models.build(
        "g (float[NNNN, 2] x) => (float[NNNN, 2] y) { y = Relu (x) }"
    ).SerializeToString()
    path = tmp_path / "odd.onnx"
    path.write_bytes(content.replace(b"NNNN", b"\xff\xfe\xfdN"))
    shape = onnx_ood.load(path).tensors[0].shape
    assert shape is not None
    assert isinstance(shape[0], str)
    assert shape[0].endswith("N")
    assert shape[1] == 2


def test_tensors_inside_are_as_deep_as_the_node_around_them(save: Save) -> None:
    """Four nodes lead to the result of the If: two before it, and the If itself."""
    model = onnx_ood.load(
        save(
            small_models.build(
                """
                g (float[N] x, bool c) => (float[N] y) {
                    a = Neg (x)
                    b = Relu (a)
                    y = If (c) <
                        then_branch = t () => (float[N] p) { q = Relu (b) p = Neg (q) },
                        else_branch = e () => (float[N] r) { r = Abs (b) }
                    >
                }
                """
            )
        )
    )
    nested = model.nested_tensors
    assert [tensor.name for tensor in nested] == ["n2/then_branch/q", "n2/then_branch/p", "n2/else_branch/r"]
    assert {tensor.depth for tensor in nested} == {model.by_name["y"].depth} == {3}
    # Numbered after all tensors of the main graph.
    assert [tensor.index for tensor in nested] == [5, 6, 7]
    assert {tensor.consumers for tensor in nested} == {0}
    assert [tensor.activation for tensor in nested] == [True, False, False]
    assert not any(tensor.output or tensor.constant for tensor in nested)
    names = [tensor.name for tensor in model.all_tensors]
    assert names == ["x", "c", "a", "b", *(tensor.name for tensor in nested), "y"]


def test_two_gib_are_too_much_for_one_file(tmp_path: Path) -> None:
    """A message of protobuf is smaller than 2 GiB; the file is sparse and never read."""
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(ModelError, match="is larger than 2 GiB"):
        onnx_ood.load(path)


def test_a_name_that_is_not_text_is_said_to_be_damaged(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some versions of protobuf give such names as bytes, others raise when a name is read."""

    def read(_: ModelProto) -> None:
        b"\xff".decode()

    monkeypatch.setattr("onnx_ood.graph.catalogue.utf8._texts", read)
    with pytest.raises(ModelError, match="is damaged: a name in it is not valid UTF-8"):
        onnx_ood.load(save(small_models.residual()))


def test_what_is_derived_from_a_model_is_kept_with_it_and_by_its_arguments(save: Save) -> None:
    runs: list[str] = []

    @once_per_model
    def length(model: Model, name: str, *, times: int = 1) -> int:
        runs.append(name)
        return len(name) * times

    model, other = load(save(small_models.residual())), load(save(small_models.residual()))
    assert [length(model, "ab"), length(model, "ab"), length(model, "abc"), length(model, "ab", times=2)] == [
        2,
        2,
        3,
        4,
    ]
    assert length(other, "ab") == 2
    assert runs == ["ab", "abc", "ab", "ab"]
