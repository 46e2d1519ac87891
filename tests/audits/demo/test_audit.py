"""The demo: its findings are what the literature and our own measurements lead one to expect."""

import json

import jsonschema
import pytest

from onnx_ood import models
from onnx_ood.audits.demo.result import DemoResult


@pytest.fixture(scope="module")
def result(demo_run):
    return DemoResult.model_validate_json((demo_run / "demo.json").read_bytes())


def test_it_covers_all_photos_and_alterations(result, schema):
    assert result.photos == len(models.photos())
    assert {entry.kind for entry in result.alterations} == {
        "gaussian_noise",
        "gaussian_blur",
        "contrast",
        "scribble",
        "patch_shuffle",
    }
    jsonschema.validate(json.loads(result.model_dump_json(by_alias=True)), schema("demo"))


def test_the_published_reading_is_right_for_noise_and_reversed_for_smooth_pictures(result):
    by_kind = {entry.kind: entry for entry in result.alterations}
    assert by_kind["gaussian_noise"].published.verdict == "detected"
    assert by_kind["gaussian_blur"].published.verdict == "inverted"
    assert by_kind["contrast"].published.verdict == "inverted"
    assert by_kind["gaussian_noise"].rotated_less == result.photos
    assert by_kind["gaussian_blur"].rotated_less == 0


def test_the_default_verdict_tells_more_than_either_reading(result):
    told = [
        sum(getattr(entry, name).verdict == "detected" for entry in result.alterations)
        for name in ("published", "two_sided", "auto")
    ]
    assert told[2] == max(told)
    assert not any(entry.auto.verdict == "inverted" for entry in result.alterations)


def test_the_model_is_right_about_the_photos_it_must_know(result):
    for photo, answer in (
        ("cat", "Egyptian cat"),
        ("coffee", "espresso"),
        ("koala", "koala"),
        ("flower", "daisy"),
    ):
        assert result.answers[f"{photo}.jpg"] == answer
