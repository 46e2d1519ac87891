"""Classes that a user gives inputs: which line is meant for which input, and what can be wrong with the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import Classes, open_inputs, read_classes


def read(folder: Path, text: str) -> Classes:
    file = folder / "classes.csv"
    file.write_text(text, encoding="utf-8")
    return read_classes(file)


@pytest.mark.parametrize(
    ("line", "name", "meant"),
    [
        ("photos/cat.jpg", "photos/cat.jpg", True),
        ("cat.jpg", "photos/cat.jpg", True),
        ("./cat.jpg", "photos/cat.jpg", True),
        ("photos/cat.jpg", "/data/photos/cat.jpg", True),
        ("/data/photos/cat.jpg", "photos/cat.jpg", True),
        ("a/cat.jpg", "b/cat.jpg", False),
        ("cat.jpg", "photos/wildcat.jpg", False),
        ("x.npy[3]", "data/x.npy[3]", True),
        ("x.npy[3]", "data/x.npy[13]", False),
        ("x.npy", "data/x.npy[3]", False),
    ],
)
def test_a_line_is_meant_for_an_input_by_whole_steps_of_its_path(
    tmp_path: Path, line: str, name: str, meant: bool
) -> None:
    assert read(tmp_path, f"input,class\n{line},tabby\n").of(name) == ("tabby" if meant else None)


def test_the_line_that_says_most_wins(tmp_path: Path) -> None:
    classes = read(tmp_path, "input,class\n1.png,other\na/1.png,cat\n")
    assert classes.of("data/a/1.png") == "cat"
    assert classes.of("data/b/1.png") == "other"


def test_other_columns_quotes_and_a_byte_order_mark_are_no_matter(tmp_path: Path) -> None:
    classes = read(tmp_path, '\ufeffsplit,class,input\ntest,"shirt, blouse",1.png\n\n')
    assert classes.of("1.png") == "shirt, blouse"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,class\n1.png,cat\n", "no column 'input'"),
        ("input,kind\n1.png,cat\n", "no column 'class'"),
        ("", "no column 'input'"),
        ("input,class\n1.png\n", "line 2 names no class"),
        ("input,class\n1.png,cat\n,dog\n", "line 3 names no input"),
        (
            "input,class\n1.png,cat\n1.png,dog\n",
            "line 3 gives 1.png the class 'dog', and a line before it 'cat'",
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=r"classes\.csv: ") as error:
        read(tmp_path, text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_bytes(b"input,class\n\xff.png,cat\n")
    with pytest.raises(UsageError, match="UTF-8"):
        read_classes(tmp_path / "classes.csv")


def test_an_input_that_two_lines_may_mean_is_told(tmp_path: Path) -> None:
    classes = read(tmp_path, "input,class\na/1.png,cat\nb/1.png,dog\n")
    with pytest.raises(UsageError, match="several lines may be meant for 1"):
        classes.of("1.png")


def test_names_are_checked_before_the_run(tmp_path: Path) -> None:
    classes = read(tmp_path, "input,class\n1.png,cat\nx.npy[0],dog\nb/2.png,cat\n")
    classes.check(["a/1.png", "x.npy"])
    classes.check([])
    # Each has a line of its own, though one of them ends both.
    both = ["a/1.png", "1.png"]
    read(tmp_path, "input,class\n1.png,cat\na/1.png,dog\n").check(both)
    with pytest.raises(UsageError, match="several lines may be meant for 1"):
        read(tmp_path, "input,class\nb/1.png,cat\na/1.png,dog\n").check(both)
    with pytest.raises(UsageError, match=r"1\.png may be meant for a/1\.png and for b/1\.png"):
        classes.check(["a/1.png", "b/1.png"])
    with pytest.raises(UsageError, match="no line is meant for any of the inputs"):
        classes.check(["a/2.png", "a/3.png"])


def test_inputs_in_memory_are_named_by_their_ids(tmp_path: Path) -> None:
    classes = read(tmp_path, "input,class\ninputs[0],cat\ninputs[1],dog\n")
    names = open_inputs(np.zeros((3, 4))).names
    classes.check(names)
    assert [classes.of(name) for name in names] == ["cat", "dog", None]


def test_blank_lines_between_lines_shift_nothing(tmp_path: Path) -> None:
    classes = read(tmp_path, "input,class\n\n0.png,cat\n\n1.png,dog\n")
    assert (classes.of("0.png"), classes.of("1.png")) == ("cat", "dog")
    with pytest.raises(UsageError, match="its first line names no column 'input'"):
        read(tmp_path, "\ninput,class\n0.png,cat\n")


def test_a_list_of_inputs_with_labels_is_a_file_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    path.write_text("File\tLabel\nin/a.png\tcat\nin/b.png\tdog\n")
    assert read_classes(path).of("photos/in/b.png") == "dog"


def test_folders_by_class(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/deep/1.png", "unsorted.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    classes = read_classes(tmp_path)
    assert classes.of((tmp_path / "cat/1.png").as_posix()) == "cat"
    assert classes.of((tmp_path / "dog/deep/1.png").as_posix()) == "dog"
    assert classes.of((tmp_path / "unsorted.png").as_posix()) is None
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no folders with files"):
        read_classes(tmp_path / "empty")


def test_a_stray_quote_fails_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"classes\.csv: a quote opened in line 3 is not closed in that line"
    ):
        read(tmp_path, 'input,class\n1.png,cat\n2.png,"dog\n3.png,cat\n')
