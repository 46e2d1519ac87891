"""Saving rewritten models: weights stay where they are, files are whole, nothing is appended to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from onnx import TensorProto
from onnx.external_data_helper import convert_model_to_external_data

import onnx_ood
from onnx_ood import ModelError, OutputError, UsageError

Save = Callable[..., Path]
IMAGES = small_models.images(2)


def external(folder: Path) -> Path:
    """The classifier with its weights beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = small_models.classifier()
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def run_file(path: Path) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": IMAGES}), strict=True))


def test_a_saved_file_runs_and_passes_the_checker(save: Save, tmp_path: Path) -> None:
    onnx_ood.instrument(save(small_models.classifier()), probes="op:Relu").save(tmp_path / "out.onnx")
    onnx.checker.check_model(str(tmp_path / "out.onnx"), full_check=True)
    assert list(run_file(tmp_path / "out.onnx")) == ["logits", "relu1", "relu2"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.onnx"]


class TestExternalWeights:
    def test_stay_where_they_are(self, tmp_path: Path) -> None:
        path = external(tmp_path)
        before = (tmp_path / "weights.bin").read_bytes()
        result = onnx_ood.instrument(path, probes="relu1")
        for _ in range(2):  # The second time over the first.
            result.save(tmp_path / "out.onnx")
        assert (tmp_path / "weights.bin").read_bytes() == before
        onnx.checker.check_model(str(tmp_path / "out.onnx"), full_check=True)
        assert list(run_file(tmp_path / "out.onnx")) == ["logits", "relu1"]
        assert onnx_ood.load(tmp_path / "out.onnx").data_files == (tmp_path / "weights.bin",)

    def test_may_be_below_the_new_file(self, tmp_path: Path) -> None:
        result = onnx_ood.instrument(external(tmp_path / "below"), probes="relu1")
        result.save(tmp_path / "out.onnx")
        assert "relu1" in run_file(tmp_path / "out.onnx")

    def test_that_cant_be_reached_are_named(self, tmp_path: Path) -> None:
        result = onnx_ood.instrument(external(tmp_path / "a"), probes="relu1")
        (tmp_path / "b").mkdir()
        with pytest.raises(OutputError, match=r"weights\.bin, which is outside this folder; save to .*/a"):
            result.save(tmp_path / "b" / "out.onnx")
        assert not any((tmp_path / "b").iterdir())

    def test_can_be_put_into_the_file(self, tmp_path: Path) -> None:
        path = external(tmp_path / "a")
        onnx_ood.instrument(path, probes="relu1").save(tmp_path / "out.onnx", embed=True)
        embedded = run_file(tmp_path / "out.onnx")
        np.testing.assert_array_equal(embedded["logits"], run_file(path)["logits"])
        assert onnx_ood.load(tmp_path / "out.onnx").data_files == ()

    def test_behind_links_are_named_by_their_real_paths(self, tmp_path: Path) -> None:
        blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
        path = external(blobs)
        snapshot.mkdir(parents=True)
        (blobs / "weights.bin").rename(blobs / "0a1b")
        path.rename(blobs / "2c3d")
        (snapshot / "model.onnx").symlink_to("../../blobs/2c3d")
        (snapshot / "weights.bin").symlink_to("../../blobs/0a1b")
        result = onnx_ood.instrument(snapshot / "model.onnx", probes="relu1")
        with pytest.raises(OutputError, match="0a1b"):
            result.save(snapshot / "out.onnx")
        result.save(tmp_path / "out.onnx")
        assert "relu1" in run_file(tmp_path / "out.onnx")
        result.save(snapshot / "embedded.onnx", embed=True)
        assert "relu1" in run_file(snapshot / "embedded.onnx")


def test_the_model_and_its_data_are_never_written_over(tmp_path: Path) -> None:
    result = onnx_ood.instrument(external(tmp_path), probes="relu1")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for name in before:
        with pytest.raises(UsageError, match="do not overwrite inputs"):
            result.save(tmp_path / name)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_places_that_are_none_are_refused(save: Save, tmp_path: Path) -> None:
    result = onnx_ood.instrument(save(small_models.classifier()), probes="relu1")
    with pytest.raises(OutputError, match="is a folder"):
        result.save(tmp_path)
    with pytest.raises(OutputError, match="cannot be written"):
        result.save(tmp_path / "nowhere" / "out.onnx")


@pytest.mark.parametrize("embed", [False, True])
@pytest.mark.parametrize("name", ["a\0b.onnx", "\ud800.onnx", "circle/out.onnx", "circle"])
def test_names_that_no_file_can_have_are_refused(tmp_path: Path, name: str, embed: bool) -> None:
    result = onnx_ood.instrument(external(tmp_path / "model"), probes="relu1")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(OutputError, match="cannot be written"):
        result.save(tmp_path / name, embed=embed)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "circle"}


BIG = """
import json, pathlib, sys
import onnx_ood
result = onnx_ood.instrument(sys.argv[1], probes="all")
result.save(sys.argv[2])
# Not what getrusage says: that goes on counting from the process that started this one.
status = pathlib.Path("/proc/self/status").read_text().split()
peak = int(status[status.index("VmHWM:") + 1]) / 1024
print(json.dumps({"MB": peak, "outputs": len(result.outputs)}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of its memory from /proc")
def test_a_model_of_2_5_gb_takes_less_than_300_mb(tmp_path: Path) -> None:
    big = 2_500_000_000
    lines = " ".join(f"t{i + 1} = Add (t{i}, w)" for i in range(200))
    model = small_models.build(f"g (float[N, 4] t0) => (float[N, 4] t200) {{ {lines} }}")
    weight = model.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[big // 16, 4], data_location=TensorProto.EXTERNAL
    )
    weight.external_data.add(key="location", value="big.bin")
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate(big)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    done = subprocess.run(
        [sys.executable, "-c", BIG, tmp_path / "model.onnx", tmp_path / "out.onnx"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    figures = json.loads(done.stdout)
    assert figures["outputs"] == 200
    assert figures["MB"] < 300
    assert (tmp_path / "out.onnx").stat().st_size < 100_000
    with pytest.raises(ModelError, match="do not fit into one ONNX file"):
        onnx_ood.instrument(tmp_path / "model.onnx", probes="t1").save(tmp_path / "e.onnx", embed=True)
