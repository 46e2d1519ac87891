"""What docs/ shows is what the code does."""

import importlib.util
import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from sessions import difference

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


def test_the_report_that_is_explained_is_the_tutorial_s():
    (explained,) = re.findall(
        r"## How to read a report\n\n```text\n(.*?)```", (DOCS / "report.md").read_text(), re.DOTALL
    )
    lines = (DOCS / "tutorial.md").read_text().splitlines()
    for line in explained.splitlines():
        assert any(not difference(line, other) for other in lines), line


def test_figures_on_references_are_those_of_the_detectors_page():
    text = (DOCS / "references.md").read_text()
    tables = (DOCS / "detectors.md").read_text()
    for figure in ("0.954", "0.985", "0.887", "0.951", "0.933", "0.963"):
        assert figure in text
        assert figure in tables.split("## Results")[1], figure
    shares = [
        float(share) for share in re.findall(r"\| (0\.0\d\d) ± 0\.\d+ \|", tables.split("### Folders")[0])
    ]
    assert f"{min(shares):.1%} to {max(shares):.1%} of good" in " ".join(text.split())
    most = max(int(high) for high in re.findall(r"\| \d+ \| \d+ to (\d+) \| 0\.", tables))
    assert f"0 to {most} of 200" in text


def test_every_page_is_in_the_navigation():
    pages = {path.name for path in DOCS.glob("*.md")} | {"tour.md"}
    nav = (DOCS.parent / "mkdocs.yml").read_text().split("\nnav:")[1]
    assert pages == set(re.findall(r": (\w[\w-]*\.md)$", nav, re.MULTILINE))


def test_shares_of_false_flags_in_folders_are_those_that_were_measured():
    table = (DOCS / "detectors.md").read_text().split("### Folders")[1]
    stored = json.loads((DOCS.parent / "benchmarks" / "results" / "fdr-cpu.json").read_text())["folders"]
    measured = {name: one for name, one in stored.items() if isinstance(one, dict)}
    assert len(measured) == 10
    for name, one in measured.items():
        assert len(one["false"]) == len(one["true"]) == 40
        shares = np.array(one["false"]) / np.maximum(np.add(one["false"], one["true"]), 1)
        error = shares.std(ddof=1) / np.sqrt(40)
        assert shares.mean() <= stored["fdr"] + 2 * error
        cells = f"| {name} | {one['references']} | {shares.mean():.3f} ± {error:.3f} | {np.mean(one['true']):.1f} |"
        assert cells in table
