"""File types by suffix."""

from pathlib import Path

from onnx_ood.inputs import is_picture


def test_pictures_are_told_from_files_of_rows() -> None:
    for name in ("a.npy", "a.NPZ", "a.wav", "a.Parquet", "a.csv", "a.zip", "a.txt", "a.flac"):
        assert not is_picture(Path(name))
    for name in ("a.png", "a", "a.doc", ".wav"):
        assert is_picture(Path(name))
