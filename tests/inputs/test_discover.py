import io
import os
from pathlib import Path

import numpy as np
import pytest

from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import FailedInput, FileRow, InputSource, Reader, discover


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small folder of photos, entered."""
    for name in ("b.jpg", "a.PNG", "c/z.npy", "c/y.webp", "c/d/x.tiff", "notes.txt", "noend", ".DS_Store"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(found: InputSource) -> list[str]:
    return [path.as_posix() for path in found.paths]


EVERYTHING = ["photos/a.PNG", "photos/b.jpg", "photos/c/d/x.tiff", "photos/c/y.webp", "photos/c/z.npy"]


def test_a_folder_is_walked_sorted_and_what_is_passed_over_is_told(tree: Path) -> None:
    found = discover(["photos"])
    assert names(found) == EVERYTHING
    assert {path.name for path in found.ignored} == {"notes.txt", "noend", ".DS_Store"}
    assert found.missing == ()


def test_the_order_is_the_arguments_and_each_file_comes_once(tree: Path) -> None:
    found = discover(
        ["photos/c/z.npy", "photos", "./photos/b.jpg", str(tree / "photos/b.jpg"), "photos/../photos/b.jpg"]
    )
    assert names(found) == ["photos/c/z.npy", *EVERYTHING[:-1]]


def test_a_named_file_is_taken_whatever_its_suffix(tree: Path) -> None:
    found = discover(["photos", "photos/noend", "photos/.DS_Store"])
    assert names(found) == [*EVERYTHING, "photos/noend", "photos/.DS_Store"]
    assert [path.name for path in found.ignored] == ["notes.txt"]
    # ... and in the other order as well
    assert [path.name for path in discover(["photos/noend", "photos/.DS_Store", "photos"]).ignored] == [
        "notes.txt"
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/*.jpg", ["photos/b.jpg"]),
        ("photos/?.*", ["photos/a.PNG", "photos/b.jpg"]),
        ("photos/[bc].jpg", ["photos/b.jpg"]),
        ("photos/*/*.npy", ["photos/c/z.npy"]),
        ("**/*.npy", ["photos/c/z.npy"]),
        ("photos/**/x.tiff", ["photos/c/d/x.tiff"]),
        ("photos/**/d/x.tiff", ["photos/c/d/x.tiff"]),
        ("photos/c/**", ["photos/c/d/x.tiff", "photos/c/y.webp", "photos/c/z.npy"]),
        ("photos/c*", ["photos/c/d/x.tiff", "photos/c/y.webp", "photos/c/z.npy"]),
        ("**", EVERYTHING),
        ("photos/**/**/*.webp", ["photos/c/y.webp"]),
    ],
)
def test_globs_are_expanded_where_the_shell_did_not(tree: Path, pattern: str, expected: list[str]) -> None:
    assert names(discover([pattern])) == expected
    absolute = discover([f"{tree.as_posix()}/{pattern}"])
    assert names(absolute) == [f"{tree.as_posix()}/{name}" for name in expected]


def test_what_a_glob_meets_but_we_do_not_read_is_told(tree: Path) -> None:
    found = discover(["photos/n*"])
    assert names(found) == []
    assert [path.name for path in found.ignored] == ["noend", "notes.txt"]
    assert found.missing == ()
    assert [path.name for path in discover(["photos/.*"]).ignored] == [".DS_Store"]


def test_a_file_whose_name_looks_like_a_glob_is_itself(tree: Path) -> None:
    (tree / "photos/[b].jpg").touch()
    assert names(discover(["photos/[b].jpg"])) == ["photos/[b].jpg"]


def test_arguments_that_match_nothing_are_told(tree: Path) -> None:
    found = discover(["nowhere.jpg", "photos/*.bmp", "", "a\0b", "photos/b.jpg/x.png", "nowhere.jpg"])
    assert names(found) == []
    assert [failed.id for failed in found.missing] == [
        "nowhere.jpg",
        "photos/*.bmp",
        "",
        "a\\x00b",
        "photos/b.jpg/x.png",
    ]
    reasons = [failed.reason for failed in found.missing]
    assert reasons[0] == "no such file or folder; check the path"
    assert reasons[1] == "the pattern matches nothing; check the path"
    assert reasons[2] == "an empty argument names no file"
    assert all(reason.isprintable() for reason in reasons)


def test_a_folder_without_a_supported_file_is_missing(tmp_path: Path) -> None:
    found = discover([str(tmp_path)])
    assert found == InputSource((), (), found.missing)
    with pytest.raises(UsageError, match=r": contains no supported file \(JPEG, PNG, "):
        found.check_missing()
    (tmp_path / "notes.txt").touch()
    assert len(discover([str(tmp_path)]).missing) == 1
    (tmp_path / "a.png").touch()
    # A folder is not empty because its files were found before.
    assert discover([str(tmp_path / "a.png"), str(tmp_path)]).missing == ()


def test_standard_input_gives_a_path_a_line_taken_literally(tree: Path) -> None:
    lines = io.StringIO("photos/b.jpg\n\nphotos/c\r\nphotos/*.PNG\nlast line .png")
    found = discover(["photos/a.PNG", "-"], stdin=lines)
    assert names(found) == [
        "photos/a.PNG",
        "photos/b.jpg",
        "photos/c/d/x.tiff",
        "photos/c/y.webp",
        "photos/c/z.npy",
    ]
    assert [failed.id for failed in found.missing] == ["photos/*.PNG", "last line .png"]


def test_the_process_s_standard_input_is_the_default(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("photos/b.jpg\n"))
    assert names(discover(["-"])) == ["photos/b.jpg"]


def test_standard_input_that_is_no_text_is_a_usage_error() -> None:
    binary = io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x00"), encoding="utf-8")
    with pytest.raises(UsageError, match="standard input is not text"):
        discover(["-"], stdin=binary)


def test_loops_of_links_end(tree: Path) -> None:
    for name in ("loop1", "loop2", "c/loop3", "c/d/loop4"):
        (tree / "photos" / name).symlink_to(tree / "photos", target_is_directory=True)
    assert names(discover(["photos"])) == EVERYTHING
    assert set(names(discover(["photos/**/*.*"]))) >= set(EVERYTHING)
    assert "photos/c/z.npy" in names(discover(["**/*.npy"]))


def test_a_web_of_linked_folders_is_walked_in_no_time(tmp_path: Path) -> None:
    # 12 folders that each link to all others: 12! simple paths through them.
    folders = [tmp_path / "web" / f"f{i:02}" for i in range(12)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "p.png").touch()
    for folder in folders:
        for other in folders:
            (folder / f"to_{other.name}").symlink_to(other, target_is_directory=True)
    assert len(discover([str(tmp_path / "web")]).paths) == 12
    assert len(discover([str(tmp_path / "web/**/*.png")]).paths) == 12
    assert len(discover([str(tmp_path / "web/**/to_*/**/p.png")]).paths) >= 12


def test_links_to_files_are_inputs_of_their_own_and_broken_ones_fail_when_read(tmp_path: Path) -> None:
    (tmp_path / "real.png").touch()
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert [path.name for path in discover([str(tmp_path)]).paths] == [
        "broken.png",
        "link.png",
        "pipe.png",
        "real.png",
    ]


def test_hidden_folders_are_counted_and_not_entered(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/a.png").touch()
    (tmp_path / "._b.png").touch()
    for argument in (str(tmp_path), str(tmp_path / "**")):
        found = discover([argument])
        assert found.paths == ()
        assert [path.name for path in found.ignored] == ["._b.png", ".git"]
    assert discover([str(tmp_path / "**/*.png")]).paths == ()
    # Named, it is entered.
    assert [path.name for path in discover([str(tmp_path / ".git")]).paths] == ["a.png"]


def test_a_very_deep_tree_does_not_exhaust_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = 1200
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    Path("x.png").touch()
    os.chdir(tmp_path)
    try:
        assert len(discover(["d"]).paths) == 1
        assert len(discover(["**/x.png"]).paths) == 1
    finally:  # by hand: what tidies up temporary folders recurses
        os.chdir("/".join(["d"] * depth))
        Path("x.png").unlink()
        for _ in range(depth):
            os.chdir("..")
            Path("d").rmdir()


def test_a_folder_that_cannot_be_listed_is_told_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if str(path).endswith("d"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = discover(["photos", "photos/**/*.tiff"])
    assert names(found) == ["photos/a.PNG", "photos/b.jpg", "photos/c/y.webp", "photos/c/z.npy"]
    refusals = [failed.reason for failed in found.missing if failed.id == "photos/c/d"]
    assert refusals == ["folder cannot be listed (Permission denied)"]


def test_names_that_would_upset_a_terminal_are_escaped(tmp_path: Path) -> None:
    found = discover([str(tmp_path / "a\x1b[31m\nb.png")])
    assert found.missing[0].id.endswith("a\\x1b[31m\\nb.png")


def test_waveforms_and_tables_are_taken_from_a_folder(tmp_path: Path) -> None:
    for name in ("a.wav", "b.PARQUET", "c.flac", "d.csv", "e.aac"):
        (tmp_path / name).touch()
    found = discover([tmp_path.as_posix()])
    assert [path.name for path in found.paths] == ["a.wav", "b.PARQUET", "c.flac"]
    assert [path.name for path in found.ignored] == ["d.csv", "e.aac"]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("x.npy", "y.npy", "z[1].npy")):
        np.save(name, 100 * i + np.arange(30, dtype=np.float32).reshape(10, 3))
    np.save("x.npy[4]", np.zeros(1))
    (tmp_path / "x.npy[4].npy").rename("x.npy[4]")
    return tmp_path


def first_values(arguments: list[str]) -> dict[str, float]:
    """The first value of each input by its id."""
    reader = Reader(discover(arguments), preprocessing=None, input_name="x", input_shape=("N", 3))
    return {
        name: float(row[0]) for batch in reader for name, row in zip(batch.ids, batch.tensors, strict=True)
    }


def test_rows_are_read_in_the_order_of_the_arguments_and_no_others(rows: Path) -> None:
    arguments = ["x.npy[7]", "y.npy[0]", "x.npy[02]", "x.npy[7]"]
    assert list(first_values(arguments).items()) == [("x.npy[7]", 21), ("y.npy[0]", 100), ("x.npy[2]", 6)]
    reader = Reader(discover(arguments), preprocessing=None, input_name="x", input_shape=("N", 3))
    assert reader.count() == 3


def test_files_that_are_also_named_as_a_whole_are_read_as_a_whole(rows: Path) -> None:
    whole = {f"y.npy[{i}]": 100 + 3 * i for i in range(10)}
    assert first_values(["x.npy[7]", "y.npy"]) == {"x.npy[7]": 21} | whole
    assert first_values(["y.npy[7]", "y.npy"]) == whole


def test_files_and_patterns_are_no_rows(rows: Path) -> None:
    assert names(discover(["x.npy[4]", "z[1].npy"])) == ["x.npy[4]", "z[1].npy"]
    assert not any(isinstance(item, FileRow) for item in discover(["[xy].npy"]).items)
    assert [one.id for one in discover(["w.npy[3]", "x.npy[-1]", "x.npy[1:3]"]).missing] == [
        "w.npy[3]",
        "x.npy[-1]",
        "x.npy[1:3]",
    ]
    assert first_values(["z[1].npy[3]"]) == {"z[1].npy[3]": 209}


def test_rows_that_there_are_not_fail_by_name(rows: Path) -> None:
    np.save("one.npy", np.zeros(3, np.float32))
    reader = Reader(
        discover(["x.npy[10]", "x.npy[9]", "one.npy[0]"]),
        preprocessing=None,
        input_name="x",
        input_shape=("N", 3),
    )
    (batch,) = reader
    reason = "there is no such row; rows are counted from 0"
    assert batch.ids == ("x.npy[9]",)
    assert batch.failed == (FailedInput("x.npy[10]", reason), FailedInput("one.npy[0]", reason))


def test_a_list_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "\ufeffb.png").touch()
    found = discover(["-"], stdin=io.StringIO(f"\ufeff{tmp_path}/a.png\r\n{tmp_path}/\ufeffb.png\n"))
    assert found.paths == (tmp_path / "a.png", tmp_path / "\ufeffb.png")


def test_what_is_given_again_is_named_and_read_once(tree: Path) -> None:
    np.save(tree / "rows.npy", np.zeros((3, 2)))
    (tree / "list.csv").write_text("path\nphotos/b.jpg\nphotos/b.jpg\n")
    picture = tree / "photos" / "b.jpg"
    patterns = [str(tree / "**"), str(tree / "**" / "*.jpg")]
    for arguments, repeated in [
        ([str(picture), str(picture)], [picture.name]),
        ([str(picture.parent), str(picture)], [picture.name]),
        ([f"{tree}/rows.npy[1]", f"{tree}/rows.npy[1]", f"{tree}/rows.npy[2]"], ["rows.npy[1]"]),
        ([f"{tree}/rows.npy[1]", f"{tree}/rows.npy"], ["rows.npy[1]"]),
        ([f"{tree}/list.csv"], ["b.jpg"]),
        # Folders that a pattern matches hold files that it matches too: these were given once.
        (patterns[:1], []),
        (patterns[1:], []),
    ]:
        source = discover(arguments)
        assert [Path(name).name for name in source.repeated] == repeated
        assert len(source.notes) == bool(repeated)
        assert len(set(source.items)) == len(source.items)
