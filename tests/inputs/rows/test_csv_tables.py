"""Tables of text against pandas, which wrote or reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import Reader, discover, open_inputs
from onnx_ood.inputs.rows.csv_tables import listed_paths, open_csv

FRAME = pd.DataFrame({"age": [31.5, -2.0, 4e3], "height, cm": [1, 2, 3], "smokes": [True, False, True]})


def opened(path: Path, features: Any = "F", dtype: Any = np.float32) -> Any:
    return open_csv(path, input_shape=("N", features), dtype=np.dtype(dtype))


@pytest.mark.parametrize(
    ("suffix", "separator"), [(".csv", ","), (".csv", ";"), (".tsv", "\t"), (".csv", "\t")]
)
def test_values_and_names_of_columns_are_those_of_pandas(tmp_path: Path, suffix: str, separator: str) -> None:
    path = tmp_path / f"x{suffix}"
    FRAME.to_csv(path, sep=separator, index=False, encoding="utf-8-sig")
    rows = opened(path, 3)
    np.testing.assert_array_equal(rows.rows(0, 3), pd.read_csv(path, sep=separator).to_numpy(np.float32))
    assert rows.columns == tuple(FRAME.columns)
    assert rows.notes == ()


@pytest.mark.parametrize("features", [3, "F"])
def test_the_index_of_pandas_is_left_out(tmp_path: Path, features: Any) -> None:
    FRAME.to_csv(tmp_path / "x.csv")
    rows = opened(tmp_path / "x.csv", features)
    np.testing.assert_array_equal(rows.rows(1, 3), FRAME.to_numpy(np.float32)[1:])
    assert rows.notes == ("the first column of tables counts the rows (an index of pandas) and was left out",)


def test_a_first_column_that_does_not_count_stays(tmp_path: Path) -> None:
    FRAME.set_index(pd.Index([5, 9, 2])).to_csv(tmp_path / "x.csv")
    assert opened(tmp_path / "x.csv").row_shape == (4,)


def test_classes_and_texts_are_left_out_if_there_are_too_many_columns(tmp_path: Path) -> None:
    FRAME.assign(label=[0, 1, 0], name=["a", "b", "c"]).to_csv(tmp_path / "x.csv", index=False)
    rows = opened(tmp_path / "x.csv", 3)
    np.testing.assert_array_equal(rows.rows(0, 3), FRAME.to_numpy(np.float32))
    assert rows.notes == ("columns of tables were left out: label, name",)
    with pytest.raises(InputError, match=r"has 5 columns .* but the model takes 2 features"):
        opened(tmp_path / "x.csv", 2)


def test_a_table_without_a_header(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.csv", [[1.5, 2], [3, 4]], delimiter=",")
    np.testing.assert_array_equal(opened(tmp_path / "x.csv", 2).rows(0, 2), [[1.5, 2], [3, 4]])


def test_integers_are_exact(tmp_path: Path) -> None:
    big = 2**62 + 1
    (tmp_path / "x.csv").write_text(f"a,b\n{big},2\n1.5,2\n")
    rows = opened(tmp_path / "x.csv", 2, np.int64)
    assert rows.rows(0, 1).tolist() == [[big, 2]]
    with pytest.raises(InputError, match="holds fractions, but the model takes int64"):
        rows.rows(1, 2)


def test_bad_cells_fail_by_name_and_column(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,\n2,two\n3\n4,nan\n5,1e99\n6,7\n")
    source = open_inputs(tmp_path / "x.csv")
    reader = Reader(source, preprocessing=None, input_name="x", input_shape=("N", 2))
    batches = list(reader)
    name = (tmp_path / "x.csv").as_posix()
    assert [one for batch in batches for one in batch.ids] == [f"{name}[5]"]
    assert {one.id: one.reason for batch in batches for one in batch.failed} == {
        f"{name}[0]": "column 'b' is empty",
        f"{name}[1]": "column 'b' holds 'two', which is not a number",
        f"{name}[2]": "has 1 cells, but the table has 2 columns",
        f"{name}[3]": "holds NaN, infinity or a value outside the range of float32",
        f"{name}[4]": "holds NaN, infinity or a value outside the range of float32",
    }


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_of_paths_lists_inputs(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "in").mkdir(parents=True)
    for name in ("data/in/a.png", "data/in/b.png", "here.png"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"File": ["in/b.png", "in/a.png", "here.png", "gone.png"], "label": [1, 0, 1, 1]})
    path = Path(f"data/list{suffix}")
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(
        path, index=False, sep="\t" if suffix == ".tsv" else ","
    )
    found = discover([str(path)])
    # Near the table first, then in the working folder; a wrong path is named.
    assert [item.as_posix() for item in found.items if isinstance(item, Path)] == [
        "data/in/b.png", "data/in/a.png", "here.png",
    ]  # fmt: skip
    assert [one.id for one in found.missing] == ["gone.png"]


def test_tables_of_numbers_list_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("image,b\n1,2\n")
    assert listed_paths(tmp_path / "x.csv") is None
    assert listed_paths(tmp_path / "none.csv") is None
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    assert listed_paths(tmp_path / "bad.parquet") is None


def test_tables_in_folders_are_passed_over_and_a_list_may_name_itself(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,label\nlabels.csv,1\na.png,0\n")
    (tmp_path / "a.png").write_bytes(b"")
    found = discover([str(tmp_path)])
    assert found.paths == (tmp_path / "a.png",)
    assert found.ignored == (tmp_path / "labels.csv",)
    assert {*discover([str(tmp_path / "*.csv")]).paths} == {tmp_path / "labels.csv", tmp_path / "a.png"}


@pytest.mark.parametrize(
    ("content", "shape", "message"),
    [
        (b"", ("N", 2), "is empty"),
        (b"a,b\n", ("N", 2), "holds no rows"),
        (b"\xff\xfe", ("N", 2), "is not UTF-8"),
        (b"1,2\n", ("N", 2, 2), "is a table, but the model takes"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, shape: Any, message: str) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_csv(tmp_path / "x.csv", input_shape=shape, dtype=np.dtype(np.float32))


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
@pytest.mark.parametrize("row", [0, 19, 199])
def test_a_stray_quote_fails_the_table_with_its_line(tmp_path: Path, row: int, end: str) -> None:
    lines = ["a,b,c,d", *["1,2,3,4"] * 200]
    lines[1 + row] = '"' + lines[1 + row]
    (tmp_path / "x.csv").write_text("\n".join(lines) + end, encoding="utf-8", newline="")
    with pytest.raises(InputError, match=f"quote opened in line {row + 2} is not closed in that line"):
        opened(tmp_path / "x.csv", 4)


def test_a_stray_quote_before_more_text_than_a_cell_holds(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('1,2\n"3,4\n' + "5,6\n" * 50_000, encoding="utf-8")
    with pytest.raises(InputError, match="quote opened in line 2 is not closed"):
        opened(tmp_path / "x.csv", 2)


def test_a_cell_over_several_lines_fails_the_table(tmp_path: Path) -> None:
    frame = FRAME.assign(comment=["x", "two\nlines", "y"])
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(InputError, match="quote opened in line 3 is not closed"):
        opened(tmp_path / "x.csv", 3)


def test_a_stray_quote_in_a_list_of_paths_fails_the_list(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('path,y\na.png,1\n"b.png,0\nc.png,1\n', encoding="utf-8")
    source = open_inputs(tmp_path / "x.csv")
    assert source.paths == (tmp_path / "x.csv",)
    with pytest.raises(InputError, match="quote opened in line 3 is not closed"):
        open_csv(source.paths[0], input_shape=("N", 3, 8, 8), dtype=np.dtype(np.float32))
