"""Settings of a checked model."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_files import gates_toml, write_plan

from onnx_ood.audits.check.checked_model import CheckedModel
from onnx_ood.exceptions import UsageError


@pytest.mark.parametrize(
    ("key", "least"),
    [("limit", 1), ("copies", 1), ("directions", 2), ("trajectories", 1), ("seed", 0), ("batch-size", 1)],
)
def test_settings_have_a_least_value(tmp_path: Path, key: str, least: int) -> None:
    text = '[models.m]\npath = "m.onnx"\n{} = {}\n' + gates_toml('metric = "size"\nmax = 1')
    config = write_plan(tmp_path, text.format(key, least)).config.models["m"]
    assert getattr(config, key.replace("-", "_")) == least
    with pytest.raises(UsageError, match=rf"line 3: models\.m\.{key}: .*{least}"):
        write_plan(tmp_path, text.format(key, least - 1))


def test_settings_that_only_change_speed_are_no_part_of_a_baseline() -> None:
    config = {"path": "a", "inputs": ["b"]}
    one, other = CheckedModel(**config), CheckedModel(**config | {"path": "c", "batch-size": 3})
    assert one.settings == other.settings
    assert one.settings != CheckedModel(**config, copies=5).settings
    assert list(one.settings) == sorted(one.settings)


def test_feeds_and_site_reach_all_audits(tmp_path: Path) -> None:
    """A table of one model gives each audit the settings it has a field for."""
    model = CheckedModel.model_validate(
        {"path": "m", "feeds": {"rate": "16000"}, "site": "inner", "seed": 3, "detector": "class-cosine"}
    )
    settings = (
        model.score_settings((), None, flags=True),
        model.bench_settings(("energy",), None),
        model.sensitivity_settings(trajectories=False),
    )
    for one in settings:
        assert one.seed == 3
        for key, value in (("feeds", {"rate": "16000"}), ("site", "inner")):
            assert getattr(one, key, value) == value
    assert settings[0].detectors == ("class_cosine",)
    assert (settings[2].trajectories, model.sensitivity_settings(trajectories=True).trajectories) == (0, 10)
