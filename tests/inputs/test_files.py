"""Untrusted files: their names in messages, and what is no regular file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood._printable import shown
from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, open_regular, quoted, reason_in, reason_of


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_printable_and_escapes_are_reversible(text: str) -> None:
    safe = shown(text)
    assert safe.isprintable()
    assert quoted(text) == f"'{safe}'"
    assert shown(safe) == safe
    if text.isascii() and "\\" not in text:
        assert safe.encode().decode("unicode_escape") == text


def test_names_have_forward_slashes() -> None:
    assert name_of(Path("a") / "b\n.png") == "a/b\\n.png"


def test_a_regular_file_is_opened_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    with open_regular(path, max_bytes=5) as file:
        assert file.read() == b"12345"
    with pytest.raises(InputError, match="is 5 bytes large, over the limit of 4"):
        open_regular(path, max_bytes=4)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices of POSIX")
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in [
        (tmp_path / "pipe", "is not a regular file"),
        (Path("/dev/null"), "is not a regular file"),
        (tmp_path, "is a folder"),
        (tmp_path / "none", "no such file"),
        (tmp_path / "a\0b", "cannot be opened"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            open_regular(path)
        assert str(caught.value).isprintable()


def test_reasons_are_one_short_line() -> None:
    assert reason_of(FileNotFoundError(2, "No such file", "x")) == "No such file"
    assert reason_of(ValueError("first\nsecond")) == "first"
    assert reason_of(ValueError()) == "ValueError"
    assert len(reason_of(ValueError("x" * 500))) == 160
    assert reason_in(InputError("a.png: is broken"), "a.png") == "is broken"
