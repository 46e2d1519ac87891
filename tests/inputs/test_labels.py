"""Class names of the user's own file."""

from pathlib import Path

import pytest

from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import read_labels


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.txt", "cat\nbig dog\n\nfox\n\n"),
        ("x.txt", "\ufeffcat\r\nbig dog\r\n\r\nfox"),
        ("x.json", '["cat", "big dog", "", "fox"]'),
        ("x.json", '{"id2label": {"0": "cat", "1": "big dog", "2": "", "3": "fox"}}'),
        ("x.json", '{"3": "fox", "0": "cat", "1": "big dog", "2": ""}'),
    ],
)
def test_names_are_read_by_index(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert read_labels(tmp_path / name) == ["cat", "big dog", "", "fox"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", b"", "holds no class names"),
        ("x.txt", b"\xff", "is not UTF-8"),
        ("x.json", b"{", "is not JSON"),
        ("x.json", b"3", "expected a JSON list of class names"),
        ("none.txt", None, "no such file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_labels(tmp_path / name)
