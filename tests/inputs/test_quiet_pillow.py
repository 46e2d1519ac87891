"""Pillow's warnings, hidden while pictures are read."""

import warnings
from pathlib import Path

import pytest


def test_other_modules_warnings_are_shown_while_reading(tmp_path: Path) -> None:
    from onnx_ood.inputs.quiet_pillow import quiet_pillow

    with quiet_pillow(), pytest.warns(UserWarning, match="not Pillow"):
        warnings.warn("not Pillow's", stacklevel=1)
