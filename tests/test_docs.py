"""What docs/ shows is what the code does."""

import importlib.util
import re
from pathlib import Path

import jsonschema
import pytest

import onnx_ood

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_published_schemas_are_those_of_the_code(generate):
    assert {path.stem for path in (DOCS / "schemas").glob("*.json")} == set(generate.RESULTS)
    for name in generate.RESULTS:
        assert (DOCS / "schemas" / f"{name}.json").read_text() == generate.schema(name), (
            "run docs/generate.py schemas"
        )


def test_the_published_schemas_are_valid_schemas(generate):
    for result in generate.RESULTS.values():
        jsonschema.Draft202012Validator.check_schema(result.model_json_schema(mode="serialization"))


def test_every_published_schema_is_listed_in_the_docs():
    listed = (DOCS / "score.md").read_text().split("<!-- schemas -->")[1]
    assert set(re.findall(r"\(schemas/([a-z-]+)\.json\)", listed)) == {
        path.stem for path in (DOCS / "schemas").glob("*.json")
    }


def test_type_checkers_read_the_names_that_the_package_has(generate):
    assert (DOCS.parent / "onnx_ood" / "__init__.pyi").read_text() == generate.stub(), (
        "run docs/generate.py names"
    )


def test_the_reference_has_every_public_name():
    listed = re.findall(r"^::: onnx_ood\.(\S+)$", (DOCS / "reference" / "index.md").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    expected = {name for name in onnx_ood.__all__ if not name.endswith("Error")} - {"__version__"}
    assert set(listed) == expected | {"testing.check_detector", "exceptions"}
