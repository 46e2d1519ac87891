"""The template is a valid file of gates, with and without its commented lines."""

from __future__ import annotations

import tomllib
from pathlib import Path

from check_files import write_plan

from onnx_ood.audits.check.starter import STARTER


def test_the_template_is_valid(tmp_path: Path) -> None:
    config = write_plan(tmp_path, STARTER).config
    assert config.models.keys() == {"main"}
    written = tomllib.loads(STARTER)
    assert [gate.metric for gate in config.gates] == [gate["metric"] for gate in written["gates"]]
    assert config.min_inputs == written["min-inputs"]


def test_the_commented_lines_are_valid(tmp_path: Path) -> None:
    whole = "\n".join(
        line.removeprefix("# ") if line.startswith("# [[") or " = " in line else line
        for line in STARTER.splitlines()
    )
    plan = write_plan(tmp_path, whole)
    assert len(plan.config.gates) == 8
    (flagged,) = (gate for gate in plan.config.gates if gate.metric == "flagged")
    assert plan.config.models["main"].fpr < flagged.max < 1
    assert plan.config.models["main"].ood == {"textures": (str(tmp_path / "data" / "textures"),)}
