"""The page of the sensitivity audit, taken apart by a parser of other people's."""

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from command import run
from page_parts import assert_loads_nothing, data, find, island, parsed, text

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.sensitivity.result import SensitivityResult
from onnx_ood.reports.sensitivity.page import command, sensitivity_page

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    images, _ = models.fashion_samples()
    path = tmp_path_factory.mktemp("inputs") / "garments <b>.npy"
    np.save(path, (images[::8, np.newaxis] / 255).astype(np.float32))
    settings = onnx_ood.SensitivitySettings(directions=4, trajectories=2)
    return onnx_ood.sensitivity(
        [models.path("fashion_cnn"), models.path("fashion_resnet")], [str(path)], settings
    )


@pytest.fixture(scope="module")
def page(result):
    return sensitivity_page(result)


@pytest.fixture(scope="module")
def tree(page):
    return parsed(page)


def test_it_loads_nothing(page):
    assert_loads_nothing(page)


def test_the_json_in_it_is_the_result(tree, result):
    assert SensitivityResult.model_validate_json(island(tree)) == result
    jsonschema.validate(data(tree), json.loads((SCHEMAS / "sensitivity.json").read_text()))


def test_models_are_ranked_first(tree, result):
    verdict = find(tree, "section", id="verdict")[0]
    best = Path(result.models[0].model.path).name
    assert f"{best} has the smallest mean Jacobian norm" in text(verdict)
    first, second = (one.jacobian.norm for one in result.models)
    assert ("do not separate them" in text(verdict)) == (first.high >= second.low)
    rows = find(find(verdict, "tbody")[0], "tr")
    assert [text(find(row, "th")[0]) for row in rows] == [one.model.path for one in result.models]
    assert len(find(tree, "section")) == 4


def test_ways_are_drawn_to_one_scale(tree, result):
    model = result.models[0]
    charts = find(find(tree, "section", id="model-1")[0], "svg", class_="curve")
    assert len(charts) == len(model.trajectory_types)
    highest = max(max(way.profile) for way in model.trajectories)
    for chart, kind in zip(charts, model.trajectory_types, strict=True):
        profiles = np.array([way.profile for way in model.trajectories if way.type == kind.type])
        heights = np.array([float(one.get("cy")) for one in find(chart, "circle")])
        base = float(re.match(r"M\d+ ([\d.]+)", find(chart, "path", class_="base")[0].get("d"))[1])
        top = 12
        expected = base + (top - base) * profiles.mean(axis=0) / (1.04 * highest)
        assert heights == pytest.approx(expected, abs=0.06)


def test_inputs_at_both_ends_are_listed(tree, result):
    (table, _) = [one for one in find(tree, "table") if text(one).startswith("Inputs by norm")]
    names = [text(find(row, "th")[0]) for row in find(find(table, "tbody")[0], "tr")]
    known = sorted(result.models[0].inputs, key=lambda one: -one.jacobian)
    assert names == [one.id for one in [*known[:10], *known[-10:]]]
    assert "<b>" in names[0]


def test_the_command_in_it_measures_the_same(tree, result, tmp_path):
    (shown,) = find(tree, "pre")
    assert "".join(shown.itertext()) == command(result)
    words = shlex.split(command(result).replace("\\\n", ""))
    words[words.index("INPUTS...")] = result.models[0].inputs[0].id.partition("[")[0]
    out = tmp_path / "again.json"
    assert words[0] == "onnx-ood"
    run(*words[1:], "--json", out, "--quiet").check_returncode()
    again = SensitivityResult.model_validate_json(out.read_text())
    # Nothing is looked for where the provider is named.
    named = [one.model_copy(update={"provider_note": ""}) for one in result.models]
    assert again == result.model_copy(update={"models": tuple(named)})


def test_the_command_says_what_was_chosen(result):
    first = result.models[0]
    chosen = first.model_copy(
        update={
            "jacobian": first.jacobian.model_copy(update={"probe": repr("it's /relu/Relu_output_0")}),
            "classes": "my classes.csv",
            "preprocessing": "L, exactly 28x28, mean 0.5, std 1, NCHW (stated: mean=0.5,std=1)",
            "feeds": {"hidden": "zeros", "length": ".npz"},
        }
    )
    words = shlex.split(command(result.model_copy(update={"models": (chosen,)})).replace("\\\n", ""))
    options = dict(pairwise(words))
    assert options["--probe"] == "it's /relu/Relu_output_0"
    assert options["--classes"] == "my classes.csv"
    assert options["--preprocess"] == "mean=0.5,std=1"
    assert options["--site"] == first.site
    assert [word for word in words if "=" in word] == ["mean=0.5,std=1", "hidden=zeros"]
