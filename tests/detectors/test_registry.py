"""The registry: order, names, wildcards, third-party detectors and unknown names."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import onnx_ood
from onnx_ood.detectors import Detector, find_detector, list_detectors, methods, register_detector, registry
from onnx_ood.exceptions import UsageError

ROOT = Path(__file__).parents[2]
TABLE = re.findall(
    r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \|$",
    (ROOT / "docs" / "detectors.md")
    .read_text()
    .partition("<!-- detectors -->\n")[2]
    .partition("<!-- end -->")[0],
    re.MULTILINE,
)
"""Rows of the documentation's table: name, formula, what is read, and source."""
ORDER = [row[0] for row in TABLE]
PLUGIN = """
from onnx_ood.detectors import Detector

class {name}(Detector):
    name, formula, source, needs, order = "{id}", "f", "s", ("logits",), {order}

    def why_not(self, info):
        return None

    def fit(self, info, reference):
        return len
"""


@pytest.fixture
def empty_registry(monkeypatch):
    """A registry that loads plug-ins again; later tests see the one from before."""
    list_detectors()
    monkeypatch.setattr(registry, "_detectors", dict(registry._detectors))
    monkeypatch.setattr(registry, "_failures", {})
    registry._load.cache_clear()
    yield
    monkeypatch.undo()
    registry._load.cache_clear()
    list_detectors()


@pytest.fixture
def install(tmp_path, monkeypatch, empty_registry):
    """Installs a package with entry points: {name: value}, and modules: {name: code}."""
    names = []

    def write(entry_points, modules):
        info = tmp_path / "oodplug-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: oodplug\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[onnx_ood.detectors]", *lines]))
        for name, code in modules.items():
            (tmp_path / f"{name}.py").write_text(code)
            names.append(name)
        monkeypatch.syspath_prepend(str(tmp_path))

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_detectors_are_listed_in_their_documented_order() -> None:
    assert list_detectors() == ORDER
    assert [name for name in ORDER if name in {"knn", "auto", "msp", "energy", "vim"}] == [
        "auto",
        "msp",
        "energy",
        "knn",
        "vim",
    ]
    orders = [find_detector(name).order for name in ORDER]
    assert orders == sorted(set(orders))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("m*", ["msp", "max_logit", "mahalanobis"]),
        ("*_norm", None),
        ("k?n", ["knn"]),
        ("energy", ["energy"]),
        ("", []),
    ],
)
def test_names_are_listed_by_wildcard(pattern: str, names: list[str] | None) -> None:
    assert list_detectors(pattern) == ([n for n in ORDER if n.endswith("_norm")] if names is None else names)


def test_each_module_of_methods_is_one_detector_of_its_name() -> None:
    files = {path.stem for path in Path(methods.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == set(ORDER)
    for name in ORDER:
        assert type(find_detector(name)).__module__ == f"{methods.__name__}.{name}"


def test_the_public_names_are_these() -> None:
    assert onnx_ood.list_detectors is list_detectors
    assert onnx_ood.find_detector is find_detector
    assert onnx_ood.register_detector is register_detector


def test_a_taken_name_is_refused() -> None:
    taken = find_detector("energy")

    class Energy(type(find_detector("msp"))):
        name = "energy"

    with pytest.raises(
        ValueError, match=r"'energy' is taken by onnx_ood\.detectors\.methods\.energy\.Energy"
    ):
        register_detector(Energy)
    assert find_detector("energy") is taken
    # The same class again changes nothing.
    assert register_detector(type(taken)) is type(taken)
    Energy.name = "energy@probe"
    with pytest.raises(ValueError, match="must be lower-case letters"):
        register_detector(Energy)


@pytest.mark.parametrize("wrong", [find_detector("energy"), int, "energy", None])
def test_only_classes_of_detectors_are_registered(wrong) -> None:
    with pytest.raises(TypeError, match=r"not a subclass of onnx_ood\.Detector"):
        register_detector(wrong)
    with pytest.raises(TypeError, match="abstract"):
        register_detector(Detector)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("enrgy", "unknown detector 'enrgy'; did you mean 'energy'?"),
        ("cosine_dorp@first", "unknown detector 'cosine_dorp'; did you mean 'cosine_drop'?"),
        ("xxxxxx", f"unknown detector 'xxxxxx'; choose from {', '.join(ORDER)}"),
    ],
)
def test_an_unknown_name_gets_a_suggestion(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        find_detector(name)


def test_a_third_partys_class_is_found_and_listed_by_its_order(install) -> None:
    install(
        {"mine": "oodplug_mine:Mine", "late": "oodplug_late:Late"},
        {
            "oodplug_mine": PLUGIN.format(name="Mine", id="mine", order=45),
            "oodplug_late": PLUGIN.format(name="Late", id="late", order=1000),
        },
    )
    names = list_detectors()
    assert names[3:5] == ["max_logit", "mine"]
    assert names[-1] == "late"
    assert [name for name in names if name not in {"mine", "late"}] == ORDER
    assert type(find_detector("mine")).__module__ == "oodplug_mine"


def test_a_third_partys_module_may_register_several(install) -> None:
    code = "".join(PLUGIN.format(name=n.upper(), id=n, order=1000) for n in ("second", "first"))
    code += "\nfrom onnx_ood import register_detector\nregister_detector(FIRST)\nregister_detector(SECOND)\n"
    install({"both": "oodplug_both"}, {"oodplug_both": code})
    assert list_detectors()[-2:] == ["first", "second"]


@pytest.mark.parametrize(
    ("code", "value", "reason"),
    [
        ("import a_package_that_is_missing", "oodplug_bad:Bad", "ModuleNotFoundError"),
        ("1 / 0", "oodplug_bad", "ZeroDivisionError"),
        ("", "oodplug_bad:Bad", "AttributeError"),
        ("Bad = 3", "oodplug_bad:Bad", "TypeError: 3 is not a subclass"),
        (
            PLUGIN.format(name="Bad", id="energy", order=0),
            "oodplug_bad:Bad",
            "ValueError: .*'energy' is taken",
        ),
    ],
)
def test_a_third_partys_detector_that_fails_is_named(install, code: str, value: str, reason: str) -> None:
    install({"bad": value}, {"oodplug_bad": code})
    with pytest.warns(RuntimeWarning, match=rf"plug-in 'bad' cannot be loaded: {value} of oodplug: {reason}"):
        names = list_detectors()
    assert names == ORDER
    with pytest.raises(UsageError, match=rf"detector 'bad' cannot be loaded: {value} of oodplug: {reason}"):
        find_detector("bad")
    with pytest.raises(UsageError, match=r"unknown detector 'enrgy'.*plug-in 'bad' cannot be loaded"):
        find_detector("enrgy")
    assert type(find_detector("energy")).__module__.startswith("onnx_ood.")


def test_the_documentation_lists_all_detectors() -> None:
    """`python docs/generate.py detectors` writes the table."""
    for name, formula, needs, source in TABLE:
        detector = find_detector(name)
        reads = [*detector.needs, *(["references"] if detector.uses_reference else [])]
        assert (formula, needs, source) == (
            detector.formula.replace("|", "\\|"),
            ", ".join(reads),
            detector.source,
        )


@pytest.mark.usefixtures("empty_registry")
@pytest.mark.parametrize("name", ["", "a,b", "A b", "a@b", "1a", 3, None])
def test_names_that_cannot_be_selected_are_refused(name: object) -> None:
    made = type("Named", (type(find_detector("msp")),), {"name": name})
    with pytest.raises(ValueError, match="must be lower-case letters"):
        register_detector(made)


@pytest.mark.usefixtures("empty_registry")
@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"formula": None}, TypeError, "needs formula"),
        ({"source": 3}, TypeError, "needs source"),
        ({"needs": ("logits", "foo")}, ValueError, "unknown needs: foo"),
    ],
)
def test_incomplete_classes_are_refused(wrong, error, message) -> None:
    made = type("Incomplete", (type(find_detector("msp")),), {"name": "incomplete", **wrong})
    with pytest.raises(error, match=message):
        register_detector(made)
    assert "incomplete" not in list_detectors()


def test_a_plugin_that_exits_does_not_end_the_program(install) -> None:
    install({"quitter": "quits"}, {"quits": "import sys; sys.exit(0)"})
    with pytest.warns(RuntimeWarning, match="'quitter' cannot be loaded: .*SystemExit"):
        list_detectors()
    with pytest.raises(UsageError, match="SystemExit"):
        find_detector("quitter")
