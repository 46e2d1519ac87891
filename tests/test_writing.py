"""Writing results: whole files, links that stay links, and devices that stay devices."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from onnx_ood._outputs import check_writable
from onnx_ood._writing import replacing, write_text
from onnx_ood.exceptions import OutputError


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "real.json").write_text("old")
    link = tmp_path / "link.json"
    link.symlink_to("store/real.json")
    check_writable(link)
    write_text(link, "new")
    assert link.is_symlink()
    assert (store / "real.json").read_text() == "new"
    assert sorted(path.name for path in store.iterdir()) == ["real.json"]
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    write_text(loop, "new")
    assert loop.read_text() == "new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    check_writable(pipe)
    write_text(pipe, "text\n")
    reader.join(10)
    assert read == ["text\n"]
    assert pipe.is_fifo()


def test_what_fails_halfway_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as new:
            new.write_text("half")
            raise OSError(28, "no room")

    with pytest.raises(OutputError, match="no room"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["folder", "no/such/folder.json", "x" * 300])
def test_what_cannot_be_written_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError) as raised:
        check_writable(tmp_path / name)
    assert name in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
