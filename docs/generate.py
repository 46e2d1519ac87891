"""Makes what the documentation shows: JSON Schemas of results and settings, and pictures of real terminal output.

python docs/generate.py schemas     writes docs/schemas/*.json
python docs/generate.py pictures    runs the commands and writes docs/images/demo.svg, score.svg and plane.svg
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import chdir
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from pydantic import BaseModel
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from onnx_ood import audits, models
from onnx_ood.audits.stream_records import StreamRecord
from onnx_ood.reports.pictures import draw_plane, draw_sensitivity
from onnx_ood.reports.terminal import print_demo, print_score, print_sensitivity

DOCS = Path(__file__).parent
RESULTS: dict[str, type[BaseModel]] = {
    "bench": audits.BenchResult,
    "bench-file": audits.BenchFile,
    "directions": audits.DirectionsResult,
    "score": audits.ScoreResult,
    "score-stream": StreamRecord,
    "sensitivity": audits.SensitivityResult,
    "diff": audits.DiffResult,
    "plane": audits.PlaneResult,
    "inspect": audits.InspectResult,
    "preprocess": audits.DetectiveResult,
    "doctor": audits.DoctorResult,
    "demo": audits.DemoResult,
}
# Of these, what users write.
WRITTEN = {"bench-file"}
WIDTH = 120

# rich's own frame loads a font from the network; this one uses what the reader has.
FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
<rect fill="#14161b" width="{width}" height="{height}" rx="8" />
<g transform="translate(9, 12)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""
THEME = TerminalTheme(
    (20, 22, 27),
    (216, 219, 226),
    [
        (20, 22, 27),
        (240, 113, 120),
        (152, 195, 121),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 200, 216),
        (216, 219, 226),
    ],
)


def schema(name: str) -> str:
    """The JSON Schema of one audit's result, or of a file that a user writes, as a file's text."""
    mode: Literal["validation", "serialization"] = "validation" if name in WRITTEN else "serialization"
    return json.dumps(RESULTS[name].model_json_schema(mode=mode), indent=2) + "\n"


def schemas() -> None:
    """Writes all schemas."""
    for name in RESULTS:
        (DOCS / "schemas" / f"{name}.json").write_text(schema(name))


def pictures() -> None:
    """Runs the README's commands and draws what they print."""
    os.chdir(DOCS.parent)  # Paths are shown as the README's commands have them.
    demo = _console()
    print_demo(demo, audits.demo())
    _save(demo, "demo")
    score = _console()
    settings = audits.ScoreSettings(rate=0.1)
    result = audits.score(
        "models/efficientnet_lite0.onnx",
        ["models/photos/[a-c]*.jpg"],
        settings,
        reference=["models/photos/[d-z]*.jpg"],
    )
    print_score(score, result, top=4)
    _save(score, "score")
    _plane()
    _sensitivity()


def _plane() -> None:
    with TemporaryDirectory() as name, chdir(name):
        # As docs/sensitivity.md has it.
        images, _ = models.fashion_samples()
        np.save("garments.npy", (images[:, np.newaxis] / 255).astype(np.float32))
        rows = ["garments.npy[60]", "garments.npy[20]", "garments.npy[0]"]
        draw_plane(DOCS.resolve() / "images" / "plane.svg", audits.plane(models.path("fashion_cnn"), rows))


def _sensitivity() -> None:
    """As docs/sensitivity.md has it: the bundled garments with their true classes, in files beside the models."""
    garments, classes = Path("garments.npy"), Path("garments.csv")
    images, labels = models.fashion_samples()
    try:
        np.save(garments, (images[::4, np.newaxis] / 255).astype(np.float32))
        lines = [f"{garments}[{i}],{label}" for i, label in enumerate(labels[::4])]
        classes.write_text("\n".join(["input,class", *lines]))
        settings = audits.SensitivitySettings(classes=classes)
        nets = ["models/fashion_cnn.onnx", "models/fashion_resnet.onnx"]
        result = audits.sensitivity(nets, [str(garments)], settings)
    finally:
        garments.unlink(missing_ok=True)
        classes.unlink(missing_ok=True)
    shown = _console()
    print_sensitivity(shown, result, top=3)
    _save(shown, "sensitivity")
    draw_sensitivity(result, DOCS / "images" / "sensitivity-trajectories.svg")


def _console() -> Console:
    return Console(
        record=True, width=WIDTH, force_terminal=True, color_system="truecolor", file=StringIO(),
        highlight=False, markup=False, emoji=False,
    )  # fmt: skip


def _save(console: Console, name: str) -> None:
    text = console.export_svg(theme=THEME, code_format=FRAME, unique_id=name)
    (DOCS / "images" / f"{name}.svg").write_text(text)


if __name__ == "__main__":
    actions = {"schemas": schemas, "pictures": pictures}
    wanted = sys.argv[1:]
    if not wanted or not set(wanted) <= set(actions):
        sys.exit(f"usage: python docs/generate.py {' | '.join(actions)}")
    for action in wanted:
        actions[action]()
