"""Public names of the audits, found in their folders."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import onnx_ood
from onnx_ood._audits import AUDITS, public_names


def test_every_public_name_is_in_its_module_and_in_the_package() -> None:
    names = public_names()
    for name, module in names.items():
        assert getattr(import_module(module), name) is getattr(onnx_ood, name)
    assert {f"{audit.title()}Result" for audit in AUDITS} <= set(names)


def test_every_folder_of_audits_is_listed() -> None:
    folder = Path(onnx_ood.__file__).parent / "audits"
    assert {one.name for one in folder.iterdir() if one.name[0] not in "_."} - {"__init__.py"} == set(AUDITS)
