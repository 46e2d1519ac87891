"""Checks of output files, and the functions in Python that write."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import small_models

import onnx_ood
from onnx_ood._outputs import check_outputs, check_writable, model_files, result_files
from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.reports.formats.parquet import write_parquet


@pytest.fixture
def scored(tmp_path: Path) -> tuple[Path, onnx_ood.ScoreResult]:
    model = small_models.build(
        "g (float[N, 4] x) => (float[N, 3] y) { h = MatMul (x, w) r = Relu (h) y = MatMul (r, v) }",
        {"w": np.eye(4, dtype="f4"), "v": np.ones((4, 3), "f4")},
    )
    weight = model.graph.initializer[0]
    (tmp_path / "w.bin").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = 1
    weight.external_data.add(key="location", value="w.bin")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((12, 4), dtype="f4"))
    return tmp_path, onnx_ood.score(
        tmp_path / "m.onnx",
        tmp_path / "x.npy",
        detectors="deviation",
        bundled_reference=False,
        provider="cpu",
    )


def test_results_are_not_written_over_the_files_they_name(scored) -> None:
    folder, result = scored
    (folder / "m.json").write_text('{"classes": "names.txt"}')
    (folder / "names.txt").write_text("a\nb\nc\n")
    (folder / "soft").symlink_to("x.npy")
    (folder / "hard").hardlink_to(folder / "w.bin")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for path in before:
        for write in (result.to_json, result.to_html):
            with pytest.raises(UsageError, match=f"^{path}: is .*do not overwrite inputs"):
                write(path)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    result.to_json(folder / "r.json")
    result.to_json(folder / "r.json")
    assert onnx_ood.read_result(folder / "r.json") == result


def test_pictures_are_not_written_over_inputs(scored, tmp_path: Path) -> None:
    folder, _ = scored
    np.save(folder / "a.npy", np.random.default_rng(1).random((4, 4), dtype="f4"))
    (folder / "a.npy").rename(folder / "a.svg")
    (folder / "a.npy").symlink_to("a.svg")
    result = onnx_ood.sensitivity(
        folder / "m.onnx", folder / "a.npy", directions=2, trajectories=0, provider="cpu"
    )
    with pytest.raises(UsageError, match="do not overwrite inputs"):
        result.to_picture(folder / "a.svg")


def test_streams_are_not_written_over_inputs(scored, tmp_path: Path) -> None:
    folder, _ = scored
    (folder / "empty.npy").touch()
    settings = {"detectors": "deviation", "bundled_reference": False, "provider": "cpu"}
    for name, words in (("m.onnx", "the model"), ("w.bin", "external data"), ("x.npy", "an input")):
        before = (folder / name).read_bytes()
        for resume in (False, True):
            with pytest.raises(UsageError, match=words):
                onnx_ood.score(
                    folder / "m.onnx",
                    folder / "x.npy",
                    streaming=onnx_ood.Streaming(folder / name, resume=resume),
                    **settings,
                )
        assert (folder / name).read_bytes() == before
    # An empty file is taken for a new stream, unless it is an input.
    with pytest.raises(UsageError, match="an input"):
        onnx_ood.score(
            folder / "m.onnx",
            [folder / "x.npy", folder / "empty.npy"],
            streaming=onnx_ood.Streaming(folder / "empty.npy"),
            **settings,
        )
    assert (folder / "empty.npy").stat().st_size == 0


def test_instrumented_models_are_not_written_over_the_card(scored) -> None:
    folder, _ = scored
    (folder / "m.json").write_text("{}")
    with pytest.raises(UsageError, match="is the card of the model"):
        onnx_ood.instrument(folder / "m.onnx", probes="r").save(folder / "m.json", embed=True)
    assert (folder / "m.json").read_text() == "{}"


def test_files_of_damaged_models_and_cards_are_listed(tmp_path: Path) -> None:
    for content in (b"", b"\xff" * 20, b"{"):
        (tmp_path / "m.onnx").write_bytes(content)
        (tmp_path / "m.json").write_bytes(content)
        assert [path.name for _, path in model_files(tmp_path / "m.onnx")] == ["m.onnx", "m.json"]
    assert [path.name for _, path in model_files(tmp_path / "gone.onnx")] == ["gone.onnx", "gone.json"]


def test_rows_of_files_are_files(scored) -> None:
    folder, result = scored
    assert folder / "x.npy" in {path for _, path in result_files(result)}


def test_outputs_that_do_not_exist_yet_are_compared(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("folder/r")
    for other in ("folder/r", "link/r", "folder/../link/r", "dangling"):
        with pytest.raises(UsageError, match="is already written as --json"):
            check_outputs([("--json", tmp_path / "folder/r"), ("--html", tmp_path / other)])
    check_outputs([("--json", tmp_path / "folder/r"), ("--html", tmp_path / "r")])


def test_inputs_are_not_listed_for_new_outputs(tmp_path: Path) -> None:
    def inputs():
        raise AssertionError
        yield

    check_outputs([("--json", tmp_path / "new")], inputs())


def test_a_pipe_takes_one_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    check_writable(tmp_path / "pipe")
    with pytest.raises(UsageError, match="already written"):
        check_outputs([("--json", tmp_path / "pipe"), ("--html", tmp_path / "pipe")])


def test_names_of_any_length_that_the_system_takes_are_accepted(tmp_path: Path) -> None:
    check_writable(tmp_path / ("x" * 255))
    with pytest.raises(OutputError):
        check_writable(tmp_path / ("x" * 256))


def test_streams_are_written_over_neither_by_results_nor_by_tables(scored) -> None:
    folder, _ = scored
    result = onnx_ood.score(
        folder / "m.onnx",
        folder / "x.npy",
        detectors="deviation",
        bundled_reference=False,
        provider="cpu",
        streaming=onnx_ood.Streaming(folder / "s.jsonl"),
    )
    before = (folder / "s.jsonl").read_bytes()
    for write in (result.to_json, result.to_html):
        with pytest.raises(UsageError, match="is a stream"):
            write(folder / "s.jsonl")
    with (
        onnx_ood.read_summary(folder / "s.jsonl") as summary,
        pytest.raises(UsageError, match="is the stream"),
    ):
        write_parquet(folder / "s.jsonl", summary)
    assert (folder / "s.jsonl").read_bytes() == before
