"""One mapping between the spellings of ids, and every id survives it."""

from __future__ import annotations

from pathlib import Path

import pytest

import onnx_ood
from onnx_ood._ids import kebab_id, snake_id, snake_ids
from onnx_ood.audits.bench.config import read_bench_file
from onnx_ood.detectors import list_detectors
from onnx_ood.perturb import list_corruptions, synthetic_ood

IDS = (*list_detectors(), *list_corruptions(), *synthetic_ood())


@pytest.mark.parametrize("name", sorted(set(IDS)))
def test_an_id_survives_the_way_through_the_command_line(name: str) -> None:
    assert "_" not in kebab_id(name)
    assert snake_id(kebab_id(name)) == snake_id(name) == name


def test_names_of_tensors_are_left_alone() -> None:
    assert snake_ids(("flip-rate@a-b_c", "msp")) == ("flip_rate@a-b_c", "msp")
    assert kebab_id("flip_rate@a-b_c") == "flip-rate@a-b_c"


def test_settings_take_either_spelling_and_commands_have_one() -> None:
    typed = onnx_ood.BenchSettings(detectors=("class-cosine", "msp"), corruptions=("gaussian-noise",))
    assert typed == onnx_ood.BenchSettings(detectors=("class_cosine", "msp"), corruptions=("gaussian_noise",))
    assert typed.detectors == ("class_cosine", "msp")
    assert (
        typed.command("bench") == "onnx-ood bench --detectors class-cosine,msp --corruptions gaussian-noise"
    )


def test_a_bench_file_takes_kebab_case(tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text('detectors = ["class-cosine"]\ncorruptions = "motion-blur"\n')
    read = read_bench_file(tmp_path / "bench.toml")
    assert (read.detectors, read.corruptions) == (("class_cosine",), ("motion_blur",))
