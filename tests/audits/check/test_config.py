"""Mistakes in files of gates, by file, line and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from check_files import MODEL, gates_toml, run_check, write_garments, write_plan

from onnx_ood.audits.check.config import find_check_file, read_check_file
from onnx_ood.exceptions import UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_garments(tmp_path_factory.mktemp("check"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[gates]]\nmetric = "size"\nmax = 1', "line 1: models: missing"),
        ('[models.a]\npath = "a"', "line 1: gates: missing"),
        (
            '[models.a]\npath = "a"\ninput = "x"\n[[gates]]',
            "line 3: models.a.input: unknown key; did you mean 'inputs'?",
        ),
        ('[models.a]\npath = "a"\ndetector = "x"\nGATE', "line 3: models.a.detector: "),
        ('[models.a]\npath = "a"\nscale = -1\n[[gates]]\nmetric = "size"', "line 3: models.a.scale: expected m"),
        (
            '[models.a]\npath = "a"\nbatch_size = 1\n[[gates]]',
            "line 3: models.a.batch_size: unknown key; did you mean 'batch-size'?",
        ),
        ('cache = "none"\nMODELGATE', "line 1: cache: a folder would get this name; leave it out"),
        ('MODEL[[gates]]\nmetric = "sice"', "line 4: gates.0.metric: unknown metric 'sice'; did you mean 'size'?"),
        ('MODEL[[gates]]\nmetric = "size"', "line 3: gates.0: the gate has no bound; add one of min, max"),
        ('MODEL[[gates]]\nmetric = "size"\nmax = "1"', "line 5: gates.0.max: expected a number"),
        ('MODEL[[gates]]\nmetric = "size"\nmax = nan', "line 5: gates.0.max: expected a finite number"),
        ('MODELGATE\n[[gates]]\nmetric = "size"\nmin = 1', "line 6: gates.1: size of a is bounded twice"),
        ('MODEL[[gates]]\nmetric = "size"\nmodel = "b"\nmax = 1', "line 5: gates.0.model: unknown model 'b'"),
        ('MODEL[[gates]]\nmetric = "size"\ntarget = "msp"\nmax = 1', "line 5: gates.0.target: size is a metric of the"),
        ('MODEL[[gates]]\nmetric = "size"\nset = "x"\nmax = 1', "line 5: gates.0.set: size takes no set; remove it"),
        ('MODEL[[gates]]\nmetric = "size"\nequals = "x"', "line 5: gates.0.equals: size is a number, found 'x'"),
        ('MODEL[[gates]]\nmetric = "size"\nforbid = "x"', "line 5: gates.0.forbid: size cannot be bounded by"),
        ('MODEL[[gates]]\nmetric = "size"\nmax = 1\ntolerance = 1', "line 6: gates.0.tolerance: it needs baseline"),
        ('MODEL[[gates]]\nmetric = "size"\nbaseline = true', "line 5: gates.0.baseline: the file names no base"),
        ('MODEL[[gates]]\nmetric = "auroc"\nmin = 1', "line 3: gates.0.target: auroc needs a detector; add target"),
        ('MODEL[[gates]]\nmetric = "auroc"\ntarget = "x"\nmin = 1', "line 5: gates.0.target: "),
        ('MODEL[[gates]]\nmetric = "flagged"\nmax = 1', "line 3: gates.0: flagged needs models.a.inputs; add it"),
        (
            'MODEL[models."b\\n\\u001b"]\npath = "b"\n[[gates]]\nmetric = "size"\nmax = 1\nmodel = "a"',
            "line 3: models.b\\n\\x1b: no gate applies to it",
        ),
        ('[models." "]\npath = "a"\nGATE', "line 1: models. .[key]: a model needs a name"),
        ('[models.a]\npath = "a"\ninputs = [\n"x",\n""]\nGATE', "line 5: models.a.inputs.1: expected 1 or more"),
        ('baseline = ""\nMODELGATE', "line 1: baseline: expected 1 or more characters"),
        ('MODEL[[gates]]\nmetric = "size"\nequals = nan', "line 5: gates.0.equals.float: expected a finite"),
        ('MODEL[[gates]]\nmetric = "size"\nmin = 2\nmax = 1', "line 5: gates.0.min: it is above max"),
        (
            'MODELinputs = "x"\n[[gates]]\nmetric = "failed-inputs"\nmax = 5',
            "line 6: gates.0.max: failed-inputs ranges from 0 to 1; percentages are not accepted",
        ),
        (
            'baseline = "b"\nMODELinputs = "x"\n[[gates]]\nmetric = "auroc"\ntarget = "msp"\nbaseline = true\n'
            "tolerance = 2",
            "line 9: gates.0.tolerance: auroc ranges from 0 to 1",
        ),
        (
            'MODEL[models.b]\npath = "b"\n[[gates]]\nmetric = "size"\nmax = 1\nmodel = "a"',
            "line 3: models.b: no gate applies to it; add one, or remove the model",
        ),
        (
            'gates = [\n  # two\n  { metric = "size", max = 1 },\n  { metric = "opset", mim = 1 },\n]\n'
            '[models.a]\npath = "a"',
            "line 4: gates.1.mim: unknown key; did you mean 'min'?",
        ),
        (
            'MODEL[[gates]]\nmetric = "transition-density"\ntarget = "x"\nmax = 1',
            "line 5: gates.0.target: unknown trajectory type 'x'; choose from translations, same",
        ),
    ],
)  # fmt: skip
def test_mistakes_name_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    text = text.replace("MODEL", '[models.a]\npath = "a"\n').replace(
        "GATE", '[[gates]]\nmetric = "size"\nmax = 1'
    )
    for name, head, lines in (
        ("onnx-ood.toml", "", 0),
        ("pyproject.toml", "[project]\nname = 'x'\n[tool.onnx_ood]\n", 3),
    ):
        path = tmp_path / name
        inside = text.replace("[models", "[tool.onnx_ood.models") if lines else text
        path.write_text(head + (inside.replace("[[gates", "[[tool.onnx_ood.gates") if lines else inside))
        with pytest.raises(UsageError) as raised:
            read_check_file(path)
        number, rest = message.removeprefix("line ").split(": ", 1)
        shifted = f"line {int(number) + lines}: {rest}"
        if "missing" in message and lines:
            shifted = rest  # the table that lacks it begins somewhere
        assert str(raised.value).startswith(f"{path.as_posix()}: "), raised.value
        assert shifted in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_pyproject_without_the_table_is_no_check(tmp_path: Path) -> None:
    for text in ("", "[tool]\nonnx_ood = 1", "tool = 2"):
        (tmp_path / "pyproject.toml").write_text(text)
        with pytest.raises(UsageError, match=r"has no table \[tool.onnx_ood\]"):
            read_check_file(tmp_path / "pyproject.toml")


def test_a_gate_without_a_model_is_for_all_and_lines_are_those_of_the_file(folder: Path) -> None:
    text = (
        MODEL + '\n[models.other]\npath = "fashion_resnet.onnx"\n' + gates_toml('metric = "opset"\nmin = 99')
    )
    result = run_check(folder, text)
    assert [(gate.model, gate.outcome) for gate in result.gates] == [("cnn", "failed"), ("other", "failed")]
    wanted = text.splitlines().index("[[gates]]") + 1
    assert {gate.line for gate in result.gates} == {wanted}


def test_what_does_not_suit_the_model_names_the_gate_and_the_model(folder: Path) -> None:
    text = MODEL + 'site = "nowhere"\n' + gates_toml('metric = "failed-inputs"\nmax = 0')
    with pytest.raises(
        UsageError, match=r"check\.toml: line 13: gates\.0: failed-inputs of models\.cnn \(line 2\)"
    ):
        run_check(folder, text)
    odd = MODEL + gates_toml('metric = "auroc"\ntarget = "msp"\nset = "odd"\nmin = 0')
    where = (
        rf"line {odd[: odd.index('set =')].count(chr(10)) + 1}: gates\.0\.set: models\.cnn has no set 'odd'"
    )
    with pytest.raises(UsageError, match=rf"{where}; choose from inverted, uniform-noise, .*, gaussian-blur"):
        write_plan(folder, odd)
    with pytest.raises(UsageError, match=rf"{where}; choose from inverted$"):
        write_plan(folder, odd.replace("trajectories = 2", "synthetic-ood = false"))
    bare = odd.replace("trajectories = 2", "synthetic-ood = false").replace('inverted = "inverted.npy"', "")
    with pytest.raises(UsageError, match=rf"{where}; add it to models\.cnn\.ood$"):
        write_plan(folder, bare)
    # Which sets can be made depends on the inputs: of arrays none are.
    (gate,) = run_check(folder, odd.replace('"odd"', '"pink-noise"')).gates
    assert gate.outcome == "not_evaluated"
    assert gate.reason == "set pink_noise cannot be made for this model; available: inverted"


def test_ids_are_kebab_case_in_the_file_and_snake_case_in_the_plan(tmp_path: Path) -> None:
    text = '[models.a]\npath = "a"\ninputs = "x"\ndetector = "class-cosine"\n' + gates_toml(
        'metric = "auroc"\ntarget = "cosine-drop@conv-1"\nset = "pink-noise"\nmin = 0',
        'metric = "transition-density"\ntarget = "random"\nmin = 0',
        'metric = "flip-rate"\ntarget = "conv-1"\nmin = 0',
    )
    config = write_plan(tmp_path, text).config
    assert config.models["a"].detector == "class_cosine"
    assert [gate.target for gate in config.gates] == ["cosine_drop@conv-1", "random", "conv-1"]
    auroc = config.gates[0]
    assert auroc.title == "auroc of cosine-drop@conv-1 on pink-noise"
    assert auroc.set_in(config.models["a"]) == "pink_noise"
    # A set of the user's has the name that the user gave it.
    own = text.replace('inputs = "x"', 'inputs = "x"\nood = { pink-noise = "y" }')
    assert auroc.set_in(write_plan(tmp_path, own).config.models["a"]) == "pink-noise"


def test_a_file_is_found_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no onnx-ood\.toml or pyproject\.toml in this folder"):
        find_check_file(None)
    (tmp_path / "pyproject.toml").touch()
    assert find_check_file(None) == Path("pyproject.toml")
    (tmp_path / "onnx-ood.toml").touch()
    assert find_check_file(None) == Path("onnx-ood.toml")
    assert find_check_file(tmp_path / "a" / "b.toml") == Path("a/b.toml")
    assert find_check_file(tmp_path.parent / "b.toml") == tmp_path.parent / "b.toml"


@pytest.mark.parametrize("name", ["a.toml", "onnx-ood.toml", "zz.toml"])
def test_a_file_of_any_name_is_read_as_a_whole(tmp_path: Path, name: str) -> None:
    """But a pyproject.toml, which other tools share."""
    text = '[models.cnn]\npath = "m.onnx"\n[[gates]]\nmetric = "opset"\nmin = 1\n'
    (tmp_path / name).write_text(text)
    assert list(read_check_file(tmp_path / name).config.models) == ["cnn"]
    shared = text.replace("[models", "[tool.onnx_ood.models").replace("[[gates", "[[tool.onnx_ood.gates")
    (tmp_path / "pyproject.toml").write_text(shared)
    assert list(read_check_file(tmp_path / "pyproject.toml").config.models) == ["cnn"]


@pytest.mark.parametrize(
    ("gate", "problem"),
    [
        ('metric = "size"\nbaseline = true\ntolerance = 0.1', None),
        ('metric = "size"\nmax = 1\ntolerance = 0.1', "tolerance: it needs baseline = true"),
        (
            'metric = "provider"\nbaseline = true\ntolerance = 0.1',
            "tolerance: it needs baseline = true and a metric",
        ),
        ('metric = "provider"\nequals = 3', "equals: provider is a text, found 3"),
        ('metric = "size"\nequals = "big"', "equals: size is a number, found 'big'"),
        ('metric = "size"\nequals = 3', None),
        ('metric = "size"\nmin = 0', None),
        ('metric = "size"\nmax = -5', "max: size is at least 0, found -5"),
        ('metric = "size"\nmin = -1', "min: size is at least 0, found -1"),
        ('metric = "opset"\nequals = -17', "equals: opset is at least 0, found -17"),
        ('metric = "failed-inputs"\nmin = 1.5', "min: failed-inputs ranges from 0 to 1"),
        ('metric = "size"\nequals = 3\nmax = 2', "equals: it leaves nothing to min and max"),
        ('metric = "provider"\nequals = "tpu"', "equals: provider is never 'tpu'; "),
        ('metric = "provider"\nequals = "cud"', "equals: provider is never 'cud'; did you mean 'cuda'?"),
        ('metric = "operators"\nforbid = ["["]', "forbid: '[' has a [ without ]"),
        ('metric = "operators"\nforbid = ["Relu", "Co[nv"]', "forbid: 'Co[nv' has a [ without ]"),
        ('metric = "operators"\nforbid = ["[]"]', "forbid: '[]' has a [ without ]"),
        ('metric = "operators"\nforbid = ["[!a]", "[!]a"]', "forbid: '[!]a' has a [ without ]"),
        ('metric = "operators"\nforbid = ["[[]", "Co[nm]v", "[]]x", "[!]]", "*"]', None),
        ('metric = "operators"\nforbid = "Lop"', "forbid: onnx has no operator 'Lop'; did you mean 'Loop'?"),
        (
            'metric = "operators"\nforbid = ["If", "loop"]',
            "forbid: onnx has no operator 'loop'; did you mean 'Loop'?",
        ),
        ('metric = "operators"\nforbid = ["ai.onnx.ml::Zip"]', "did you mean 'ai.onnx.ml::ZipMap'?"),
        ('metric = "operators"\nforbid = ["ZipMap"]', "did you mean 'ai.onnx.ml::ZipMap'?"),
        (
            'metric = "operators"\nforbid = ["FusedThing"]',
            "name an operator of another domain as domain::Type",
        ),
        ('metric = "operators"\nforbid = ["Loop", "ai.onnx::If", "com.x::Any", "L*", "Upsample"]', None),
        ('metric = "provider"\nequals = "cpu"', None),
    ],
)
def test_bounds_have_the_kind_of_their_metric(tmp_path: Path, gate: str, problem: str | None) -> None:
    text = f'baseline = "b.json"\n[models.cnn]\npath = "m.onnx"\ninputs = "x.npy"\n[[gates]]\n{gate}\n'
    path = tmp_path / "gates.toml"
    path.write_text(text)
    if problem is None:
        assert len(read_check_file(path).config.gates) == 1
    else:
        with pytest.raises(UsageError, match=re.escape(problem)):
            read_check_file(path)
