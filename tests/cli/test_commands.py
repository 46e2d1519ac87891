"""Commands as a shell sees them: exit codes, streams and one-line errors."""

import csv
import json
import re
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import typer
from command import messages, run
from onnx_ood.cli.main import COMMANDS, PLUGINS, app
from PIL import Image
from png_files import png
from scipy.io import wavfile

import onnx_ood
from onnx_ood import models

PROGRAM = Path(sys.executable).with_name("onnx-ood")
CNN = str(models.path("fashion_cnn"))


@pytest.fixture(scope="session")
def garments(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    images, _ = models.fashion_samples()
    for i, image in enumerate(images[::17][:10]):
        Image.fromarray(np.asarray(image)).save(folder / f"g{i}.png")
    return folder


def one_line_error(result, code):
    """The only line on standard error, after the program's name; nothing else was printed."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    (line,) = messages(result).splitlines()
    assert line.startswith("onnx-ood: ")
    return line.removeprefix("onnx-ood: ")


def test_score_prints_plain_text_where_there_is_no_terminal(garments):
    result = run("score", CNN, garments, "--verbose", "--copies", "4")
    assert result.returncode == 0, result.stderr
    assert messages(result) == ""
    assert "\x1b" not in result.stdout
    assert result.stdout.startswith("10 inputs ranked by auto, not flagged: no references given\n")
    for words in ("Layer profile", "provider", "noise floor", "10 scored"):
        assert words in result.stdout


def test_score_says_once_why_it_runs_on_the_cpu(garments):
    result = run("score", CNN, garments, "-v", CUDA_VISIBLE_DEVICES="")
    assert result.stdout.count("provider ") == 1
    assert result.stdout.splitlines()[-1].endswith(" cpu")
    assert messages(result) == ""


@pytest.mark.parametrize("columns", ["80", "120", "160"])
def test_lines_fit_the_width(garments, columns):
    result = run("score", CNN, garments, COLUMNS=columns)
    assert max(map(len, result.stdout.splitlines())) <= int(columns)
    assert "g0.png" in result.stdout or "g1.png" in result.stdout


def test_ascii_terminals_get_ascii(garments):
    result = run("score", CNN, garments, PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert result.returncode == 0, result.stderr
    assert result.stdout.isascii()
    assert "prediction" in result.stdout


def test_json_and_csv_say_the_same(garments, tmp_path):
    result = run(
        "score", CNN, garments, "--copies", "4", "--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv",
        "--quiet",
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    data = json.loads((tmp_path / "r.json").read_text())
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert [row["id"] for row in rows] == [entry["id"] for entry in data["inputs"]]
    first = data["probes"][0]["name"]
    assert [float(row[f"drop:{first}"]) for row in rows] == [entry["drop"][0] for entry in data["inputs"]]
    assert data["schema"] == "onnx-ood/score/3"


def test_json_to_standard_output_is_nothing_but_json(garments):
    result = run("score", CNN, garments, "--json", "-")
    assert json.loads(result.stdout)["status"] == "scored"


def test_paths_come_from_standard_input(garments):
    listed = "\n".join(str(path) for path in sorted(garments.iterdir())[:3])
    result = run("score", CNN, "-", "--detectors", "deviation", "--json", "-", stdin=listed)
    assert [entry["id"] for entry in json.loads(result.stdout)["inputs"]] == listed.splitlines()


def test_all_settings_reach_the_result(garments):
    result = run(
        "score", CNN, garments, "--probe", "op:Relu[::2]", "--probe", "outputs", "--copies", "3", "--scale", "0.5",
        "--space", "tensor", "--noise", "uniform", "--seed", "7", "--provider", "cpu", "--batch-size", "4",
        "--preprocess", "unit", "--site", "image", "--json", "-",
    )  # fmt: skip
    data = json.loads(result.stdout)
    assert data["nudges"] == {
        "recipe": None, "noise": "uniform", "space": "tensor", "scale": 0.5, "copies": 3, "adaptive": False,
            "seed": 7,
    }  # fmt: skip
    relus = [t.name for t in onnx_ood.load(CNN).tensors if t.op == "Relu"]
    assert [probe["name"] for probe in data["probes"]] == [*relus[::2], "logits"]
    assert data["run"]["batch_size"] == 4
    assert "unit" in data["preprocessing"]


def test_the_recipe_is_the_published_one(garments):
    data = json.loads(run("score", CNN, garments, "--recipe", "lesswrong", "--json", "-").stdout)
    convs = [t.name for t in onnx_ood.load(CNN).tensors if t.op == "Conv"]
    assert [probe["name"] for probe in data["probes"]] == [convs[-3]]
    assert (data["nudges"]["copies"], data["nudges"]["scale"], data["nudges"]["space"]) == (1, 1e-5, "tensor")


def test_top_is_how_many_are_listed(garments):
    def listed(*options):
        text = run("score", CNN, garments, *options).stdout
        return sum("g" in line and ".png" in line for line in text.splitlines())

    assert [listed("--top", "2"), listed("--top", "2", "-v"), listed("--all")] == [2, 4, 10]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scroe"], "did you mean 'score'"),
        (["score"], "MODEL"),
        (["score", CNN], "INPUTS"),
        (["score", CNN, "x.png", "--copies", "many"], "--copies"),
        (["score", CNN, "x.png", "--copies", "-1"], "copies"),
        (["score", CNN, "x.png", "--copies", "0", "--advise"], "--advise needs nudged copies"),
        (["score", CNN, "x.png", "--nope"], "--nope"),
        (["score", CNN, "x.png", "--copeis", "2"], "--copies"),
        (["score", "photos/", CNN], f"swap them: onnx-ood score {CNN} photos"),
        (["score", CNN, "x.png", "--adaptive", "--copies", "2"], "--copies 2"),
        (["score", CNN, "x.png", "--adaptive", "--recipe", "lesswrong"], "set more copies"),
        (["score", CNN, "x.png", "--probe", "op:Rellu"], "op:Relu"),
        (["score", CNN, "x.png", "--provider", "tpu"], "tpu"),
        (["score", CNN, "x.png", "--recipe", "cake"], "cake"),
        (["score", CNN, "x.png", "--preprocess", "imagenett"], "imagenet"),
    ],
)
def test_usage_errors_are_one_line_and_64(arguments, words, tmp_path):
    Image.new("L", (28, 28)).save(tmp_path / "x.png")
    assert words in one_line_error(run(*arguments, folder=tmp_path), 64)


def _save(path, text, **changes):
    model = onnx.helper.make_model(
        onnx.parser.parse_graph(text), ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]
    )
    onnx.save(model, path, **changes)
    return path


def test_model_errors_are_one_line_and_2(garments, tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "cut.onnx").write_bytes(Path(CNN).read_bytes()[:5000])
    unknown = _save(
        tmp_path / "unknown.onnx", "g (float[N,1,28,28] x) => (float[N,1,28,28] y) { y = Frobnicate(x) }"
    )
    weighty = onnx.parser.parse_graph(
        "g (float[N,1,28,28] x) => (float[N,1,28,28] y) <float[1] w = {2}> { y = Mul(x, w) }"
    )
    weighty.initializer[0].CopyFrom(
        onnx.numpy_helper.from_array(np.ones(2000, np.float32).reshape(2000, 1, 1)[:1], "w")
    )
    external = onnx.helper.make_model(weighty, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    onnx.save(external, tmp_path / "e.onnx", save_as_external_data=True, location="e.data", size_threshold=0)
    (tmp_path / "e.data").unlink()
    for path, words in (
        (tmp_path / "text.onnx", "not an ONNX model"),
        (tmp_path / "cut.onnx", "not an ONNX model"),
        (tmp_path / "none.onnx", "no such file"),
        (tmp_path, "is a folder"),
        (unknown, "Frobnicate"),
        (tmp_path / "e.onnx", "e.data"),
    ):
        line = one_line_error(run("score", path, garments), 2)
        assert words in line
        assert path.name in line


def test_a_wrong_shape_fails_by_name_and_nothing_evaluated_is_3(tmp_path):
    np.save(tmp_path / "wrong.npy", np.zeros((4, 1, 30, 30), dtype=np.float32))
    result = run("score", CNN, tmp_path / "wrong.npy", "--json", tmp_path / "r.json", COLUMNS="400")
    assert result.returncode == 3
    assert "wrong.npy" in result.stdout
    assert "30" in result.stdout
    assert json.loads((tmp_path / "r.json").read_text())["status"] == "not_evaluated"


def test_an_empty_folder_is_a_mistake(tmp_path):
    line = one_line_error(run("score", CNN, tmp_path), 64)
    assert "contains no supported file" in line


def test_a_decompression_bomb_is_refused_and_the_others_are_scored(garments, tmp_path):
    side = 40_000
    (tmp_path / "bomb.png").write_bytes(png(side, side, 1, 0, bytes(side // 8 + 1) * side))
    result = run("score", CNN, garments, tmp_path / "bomb.png", "--json", tmp_path / "r.json")
    assert result.returncode == 0
    # Names are folded where they are longer than a line.
    assert "bomb.png" in "".join(result.stdout.split())
    data = json.loads((tmp_path / "r.json").read_text())
    assert [failure["id"] for failure in data["failed"]] == [str(tmp_path / "bomb.png")]
    assert len(data["inputs"]) == 10


def test_a_model_that_gives_nan_for_everything_is_not_evaluated(garments, tmp_path):
    model = _save(
        tmp_path / "nan.onnx",
        "g (float[N,1,28,28] x) => (float[N,1,28,28] y) { z = Sub(x, x) y = Div(z, z) }",
    )
    result = run("score", model, garments, "--probe", "y")
    assert result.returncode == 3
    assert "NaN" in result.stdout


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_results_that_cannot_be_written_are_found_out_before_the_run(garments, option):
    line = one_line_error(run("score", CNN, garments, option, "/proc/nowhere/r.out"), 2)
    assert "/proc/nowhere/r.out" in line


def test_a_folder_in_place_of_a_result_file_is_named(garments, tmp_path):
    assert "is a folder" in one_line_error(run("score", CNN, garments, "--json", tmp_path), 2)


def test_cuda_where_there_is_none_is_one_line(garments):
    from onnx_ood.runtime.providers import cuda_problem

    if cuda_problem() is None:
        pytest.skip("this machine has CUDA")
    line = one_line_error(run("score", CNN, garments, "--provider", "cuda"), 2)
    assert "--provider cpu" in line


def test_help_and_version():
    assert "score" in run("--help").stdout
    assert "--probe" in run("score", "--help").stdout
    assert run("--version").stdout.startswith("onnx-ood ")


def test_no_arguments_print_the_help():
    assert run().returncode == 0
    assert run().stdout == run("--help").stdout == run("-h").stdout
    assert all(name in run().stdout for name in COMMANDS)


def test_the_installed_program_ends_well_whatever_its_streams_are():
    """The smoke test of the script: help, a reader that has gone, a full disk, and closed streams."""
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("onnx-ood ")
    for command, code, lines in (
        (f"set -o pipefail; {PROGRAM} inspect {CNN} | head -n 1 >/dev/null", 0, 0),
        (f"set -o pipefail; {PROGRAM} --help | true", 0, 0),
        (f"{PROGRAM} inspect {CNN} >/dev/full", 2, 1),
        (f"{PROGRAM} inspect {CNN} >&-", 0, 0),
        (f"{PROGRAM} score {CNN} - <&-", 64, 1),
    ):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (code, lines), (command, done.stderr)


def test_a_reader_that_has_gone_changes_no_exit_code(tmp_path):
    images = models.fashion_samples()[0][:42]
    np.save(tmp_path / "good.npy", images[:30])
    np.save(tmp_path / "new.npy", 255 - images[30:])
    command = f"{PROGRAM} score {CNN} new.npy --reference good.npy --fail-on-flagged 0.1 --fpr 0.1 --detectors activity"
    for script in (f"{command} | true", f"{command} 2>&1 | true"):
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {script}"], cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == 1, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_parse_and_are_in_the_help(name):
    shown = " ".join(run(name, "--help").stdout.split())
    context = typer.Context(typer.main.get_command(app))
    examples = import_module(f"onnx_ood.cli.{name}").EXAMPLES
    assert len(examples) in (2, 3)
    for example in examples:
        assert example in shown
        program, command, *arguments = shlex.split(example)
        assert (program, command) == ("onnx-ood", name)
        context.command.get_command(context, name).make_context(name, arguments)


def test_commands_of_third_parties_run_and_failures_are_named(monkeypatch):
    def hello(name: str) -> None:
        """Greet someone."""
        print(f"hello {name}")

    monkeypatch.setitem(sys.modules, "third_party", SimpleNamespace(hello=hello))
    found = [EntryPoint(name, f"third_party:{name}", PLUGINS) for name in ("hello", "broken")]
    monkeypatch.setattr(
        sys.modules["onnx_ood.cli.main"], "entry_points", lambda group: found if group == PLUGINS else []
    )
    assert run("hello", "world").stdout == "hello world\n"
    listed = run("--help")
    assert "Greet someone." in listed.stdout
    assert listed.returncode == 0
    (line,) = listed.stderr.splitlines()
    assert "command 'broken'" in line
    assert "cannot be loaded" in line
    assert run("broken").returncode == 64


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_same_output_options(name):
    shown = run(name, "--help").stdout
    assert re.search(r"--json +FILE", shown)
    assert "--quiet" in shown
    assert "--verbose" in shown


def test_the_module_runs_the_same_program():
    result = subprocess.run(
        [sys.executable, "-m", "onnx_ood", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("onnx-ood ")


def test_a_bug_of_ours_shows_its_traceback(monkeypatch):
    def fail():
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(onnx_ood, "doctor", fail)
    done = run("doctor")
    assert done.returncode == 2
    printed = done.stderr
    assert "ZeroDivisionError" in printed
    assert "please report it" in printed


def test_tf32_needs_cuda(garments):
    line = one_line_error(run("score", CNN, garments, "--provider", "cpu", "--tf32"), 64)
    assert "leave out --tf32" in line


def test_exact_is_said(garments):
    result = run("score", CNN, garments, "--probe", "op:Conv", "--exact", "--json", "-")
    assert json.loads(result.stdout)["run"]["observer_effect"] == 0
    assert "outputs changed by" in run("score", CNN, garments, "--probe", "op:Conv", "-v").stdout
    assert "bitwise the same" in run("score", CNN, garments, "--probe", "op:Conv", "--exact", "-v").stdout


@pytest.fixture
def listener(tmp_path):
    """A model of windows, a state with its batch on the second axis, and a sample rate; and a recording."""
    _save(
        tmp_path / "listener.onnx",
        "g (float[N, 8] window, float[2, N, 8] state, int64 sr) => (float[N, 8] y) {"
        " before = ReduceSum <keepdims = 0> (state, first) rate = Cast <to = 1> (sr)"
        " mixed = Add (window, before) louder = Mul (mixed, rate) act = Relu (louder) y = Softmax (act) }",
    )
    model = onnx.load(tmp_path / "listener.onnx")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0]), "first"))
    onnx.save(model, tmp_path / "listener.onnx")
    rng = np.random.default_rng(0)
    wavfile.write(tmp_path / "x.wav", 16_000, rng.uniform(-1, 1, 8 * 10).astype(np.float32))
    np.savez(tmp_path / "x.npz", window=rng.random((10, 8)), state=np.zeros((2, 10, 8)), sr=np.array(2))
    return tmp_path


def test_a_model_of_several_inputs_is_fed_by_option(listener):
    feeds = ("--feed", "state=zeros", "--feed", "sr=2")
    result = run("score", listener / "listener.onnx", listener / "x.wav", *feeds, "-v")
    assert (result.returncode, messages(result)) == (0, "")
    assert "state=zeros, sr=2" in result.stdout
    assert "10 scored" in result.stdout
    result = run("score", listener / "listener.onnx", listener / "x.wav", *feeds, "--json", "-")
    assert json.loads(result.stdout)["feeds"] == {"state": "zeros", "sr": "2"}


def test_a_model_of_several_inputs_is_fed_by_archives(listener):
    result = run("score", listener / "listener.onnx", listener / "x.npz", "--site", "window", "-v")
    assert (result.returncode, messages(result)) == (0, "")
    assert "state from the files, sr from the files" in result.stdout
    assert "10 scored" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--feed", "state=zeros"], "--feed sr=VALUE"),
        ([], "name the one to nudge (--site window), or give the others' values (--feed)"),
        (["--feed", "state"], "--feed state: not of the form NAME=VALUE"),
        (["--feed", "sr=1", "--feed", "sr=2"], "sr already has the value 1"),
        (["--feed", "rate=1"], "no input 'rate'; it has: window, state, sr"),
    ],
)
def test_what_a_model_of_several_inputs_lacks_is_one_line(listener, arguments, words):
    line = one_line_error(run("score", listener / "listener.onnx", listener / "x.wav", *arguments), 64)
    assert words in line


def test_plain_reports_have_no_character_but_those_of_names(garments, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in garments.iterdir():
        (folder / f"{path.stem}größe.png").write_bytes(path.read_bytes())
    usual, plain = run("score", CNN, folder), run("--plain", "score", CNN, folder)
    assert (usual.returncode, plain.returncode) == (0, 0)
    # Names that are too long are cut with an ellipsis.
    drawn = [result.stdout.replace("größe", "").replace("…", "") for result in (usual, plain)]
    assert [text.isascii() for text in drawn] == [False, True]
    assert all("größe.png" in result.stdout for result in (usual, plain))
