"""Generate parts of the documentation: JSON Schemas, and pictures of real output.

python docs/generate.py lists       writes all that follows from registries: schemas, detectors, metrics, names
python docs/generate.py schemas     writes docs/schemas/*.json and their table in docs/score.md
python docs/generate.py detectors   writes the list in docs/detectors.md
python docs/generate.py metrics     writes the table in docs/ci.md
python docs/generate.py names       writes the public names for type checkers, onnx_ood/__init__.pyi
python docs/generate.py outputs     runs the commands of README, tutorial and recipes, and writes the outputs they show
python docs/generate.py pictures    runs the commands and writes demo, score, sensitivity, sensitivity-trajectories,
                                    plane and bench.svg in docs/images
python docs/generate.py screenshots opens a page in Chromium and writes docs/images/report-*.png, and terminal-*.svg
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import chdir
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageFilter
from pydantic import BaseModel
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from sessions import Shell, Step, checkout, read_steps, written_again

import onnx_ood
from onnx_ood import models
from onnx_ood._audits import AUDITS
from onnx_ood.audits.bench.config import BenchFile
from onnx_ood.audits.check.baseline import Baseline
from onnx_ood.audits.check.config import CheckFile
from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.score.stream.records import StreamRecord
from onnx_ood.inputs import Card
from onnx_ood.reports.demo.terminal import print_demo
from onnx_ood.reports.formats.picture import write_picture
from onnx_ood.reports.registry import result_picture
from onnx_ood.reports.report_options import ReportOptions
from onnx_ood.reports.score.page import score_page
from onnx_ood.reports.score.terminal import print_score
from onnx_ood.reports.sensitivity.terminal import print_sensitivity
from onnx_ood.results.registry import result_type

DOCS = Path(__file__).parent.resolve()
RESULTS: dict[str, type[BaseModel]] = {
    **{name: result_type(name) for name in AUDITS},
    "bench-file": BenchFile,
    "baseline": Baseline,
    "card": Card,
    "check-file": CheckFile,
    "score-stream": StreamRecord,
}
# Of these, what users write.
WRITTEN = {"bench-file", "card", "check-file"}
# Pages whose outputs are written again, and the steps that only a test runs.
SESSIONS = ("README.md", "docs/tutorial.md", "docs/recipes.md")
SLOW = {"make demo", "make test"}
WIDTH = 120
# Bytes that a screenshot may have.
LARGEST = 300_000

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
    """Write the JSON Schema of one result or settings file as text."""
    mode: Literal["validation", "serialization"] = "validation" if name in WRITTEN else "serialization"
    return json.dumps(RESULTS[name].model_json_schema(mode=mode), indent=2) + "\n"


def schemas() -> None:
    """Write all schemas, and the table of them in docs/score.md."""
    for name in RESULTS:
        (DOCS / "schemas" / f"{name}.json").write_text(schema(name))
    link = {name: f"[{name}](schemas/{name}.json)" for name in RESULTS}
    rows = [
        "| files | schemas |",
        "|---|---|",
        f"| results of `--json` | {', '.join(link[name] for name in AUDITS)} |",
        f"| streams of `score --jsonl` | {link['score-stream']}, one record per line |",
        f"| files written by users | {link['check-file']}, {link['bench-file']}, {link['card']} |",
        f"| baselines of `check` | {link['baseline']} |",
    ]
    _fill("score.md", "schemas", rows)


def outputs(pages: Sequence[str] = SESSIONS) -> None:
    """Run the commands of pages as a new user would, and write the outputs that they show."""
    for name in pages:
        page = DOCS.parent / name
        steps = read_steps(page.read_text())
        printed = []
        with TemporaryDirectory() as folder:
            place = Path(folder) / "folder"
            if name == "README.md":
                checkout(DOCS.parent, place)
            place.mkdir(exist_ok=True)
            with Shell(place, Path(folder) / "home") as shell:
                if name != "README.md":
                    shell.run(Step("console", f"source {DOCS.parent}/.venv/bin/activate"))
                for step in steps:
                    printed.append("" if step.text in SLOW else shell.run(step)[0])
        page.write_text(written_again(page.read_text(), printed))


def pictures() -> None:
    """Run the README's commands and draw their output."""
    os.chdir(DOCS.parent)  # Paths are shown as the README's commands have them.
    demo = _console()
    print_demo(demo, onnx_ood.demo())
    _save(demo, "demo")
    score = _console()
    settings = onnx_ood.ScoreSettings(fpr=0.1)
    result = onnx_ood.score(
        "models/efficientnet_lite0.onnx",
        ["models/photos/[a-c]*.jpg"],
        settings,
        reference=["models/photos/[d-z]*.jpg"],
    )
    print_score(score, result)
    _save(score, "score")
    _plane()
    _sensitivity()
    _bench()


def _plane() -> None:
    with TemporaryDirectory() as name, chdir(name):
        # The commands of docs/sensitivity.md.
        images, _ = models.fashion_samples()
        np.save("garments.npy", (images[:, np.newaxis] / 255).astype(np.float32))
        rows = ["garments.npy[60]", "garments.npy[20]", "garments.npy[0]"]
        plane = onnx_ood.plane(models.path("fashion_cnn"), rows)
    write_picture(DOCS / "images" / "plane.svg", result_picture(plane))


def _sensitivity() -> None:
    """Set up the example of docs/sensitivity.md: files of bundled garments and their true classes."""
    garments, classes = Path("garments.npy"), Path("garments.csv")
    images, labels = models.fashion_samples()
    try:
        np.save(garments, (images[::4, np.newaxis] / 255).astype(np.float32))
        lines = [f"{garments}[{i}],{label}" for i, label in enumerate(labels[::4])]
        classes.write_text("\n".join(["input,class", *lines]))
        settings = onnx_ood.SensitivitySettings(classes=classes)
        nets = ["models/fashion_cnn.onnx", "models/fashion_resnet.onnx"]
        result = onnx_ood.sensitivity(nets, [str(garments)], settings)
    finally:
        garments.unlink(missing_ok=True)
        classes.unlink(missing_ok=True)
    shown = _console()
    print_sensitivity(shown, result, ReportOptions(top=3, verbose=True))
    _save(shown, "sensitivity")
    write_picture(DOCS / "images" / "sensitivity-trajectories.svg", result_picture(result))


def _bench() -> None:
    """Run the bench of docs/detectors.md: bundled garments against synthetic sets and corruptions."""
    with TemporaryDirectory() as name, chdir(name):
        images, _ = models.fashion_samples()
        Path("garments").mkdir()
        for i, image in enumerate(images[::2]):
            Image.fromarray(image).save(f"garments/{i:03}.png")
        settings = onnx_ood.BenchSettings(
            detectors=("energy", "msp"),
            corruptions=("gaussian_noise", "motion_blur", "fog", "contrast"),
            scores=True,
        )
        bench = onnx_ood.bench(models.path("fashion_cnn"), ["garments"], {}, settings)
    write_picture(DOCS / "images" / "bench.svg", result_picture(bench))


def screenshots() -> None:
    """Score photos and altered copies of them, as in docs/report.md, and take screenshots of the reports."""
    os.chdir(DOCS.parent)
    altered = Path("altered")
    try:
        _alter(sorted(Path("models/photos").glob("[a-c]*.jpg")), altered)
        result = onnx_ood.score(
            "models/efficientnet_lite0.onnx",
            ["models/photos/[a-c]*.jpg", str(altered)],
            onnx_ood.ScoreSettings(fpr=0.1, copies=4),
            reference=["models/photos/[d-z]*.jpg"],
        )
        page = score_page(result)
    finally:
        shutil.rmtree(altered, ignore_errors=True)
    for columns in (80, 160):
        shown = _console(columns)
        print_score(shown, result)
        _save(shown, f"terminal-{columns}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(page, encoding="utf-8")
        _shoot(path.as_uri())


def _alter(photos: list[Path], folder: Path) -> None:
    """Add noise to one half of the photos, and blur the other half."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i, photo in enumerate(photos):
        with Image.open(photo) as opened:
            image = opened.convert("RGB")
        if i % 2:
            image = image.filter(ImageFilter.GaussianBlur(max(image.size) / 40))
        else:
            pixels = np.asarray(image, dtype=float) + rng.normal(0, 60, (image.height, image.width, 3))
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(folder / photo.name, quality=90)


def _shoot(address: str) -> None:
    """Take screenshots of a page: on a desktop in both themes, and three of a phone side by side."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an extra that schemas don't need

    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])

        def window(width: int, height: int, **options: Any) -> Any:
            size = {"width": width, "height": height}
            page = browser.new_page(viewport=size, reduced_motion="reduce", **options)
            page.goto(address)
            return page

        desk = window(1280, 900)
        bottom = desk.locator("#layers").evaluate("one => one.getBoundingClientRect().bottom")
        area = {"x": 0, "y": 0, "width": 1280, "height": bottom + 20}
        _save_picture(desk.screenshot(full_page=True, clip=area), "report-desktop")
        night = window(1280, 1400, color_scheme="dark")
        _open_input(night, 1)
        _scroll(night, "document.getElementById('inputs').scrollIntoView()")
        _save_picture(night.screenshot(), "report-dark")
        phone = window(390, 844)
        screens = [phone.screenshot()]
        _scroll(phone, "document.getElementById('gallery').scrollIntoView()")
        screens.append(phone.screenshot())
        _open_input(phone, 1)
        _scroll(phone, "document.querySelector('#input-1 figure').scrollIntoView({ block: 'center' })")
        screens.append(phone.screenshot())
        gap = 28
        side = Image.new("RGB", (3 * 390 + 4 * gap, 844 + 2 * gap), (200, 203, 207))
        for i, screen in enumerate(screens):
            side.paste(Image.open(BytesIO(screen)), (gap + i * (390 + gap), gap))
        buffer = BytesIO()
        side.save(buffer, "PNG")
        _save_picture(buffer.getvalue(), "report-phone")
        browser.close()


def _open_input(page: Any, place: int) -> None:
    page.evaluate(f"location.hash = '#input-{place}'")
    page.locator(f"#input-{place} .body").wait_for()
    page.evaluate("document.activeElement.blur()")


def _scroll(page: Any, script: str) -> None:
    """Scroll, and wait until the cards in view are drawn."""
    page.evaluate(script)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_timeout(500)


def _save_picture(data: bytes, name: str) -> None:
    """Save as PNG with as many colours as keep it small: with all colours, pages with photos are three times larger."""
    image = Image.open(BytesIO(data)).convert("RGB")
    for colours in (256, 128, 96, 64, 48):
        buffer = BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= LARGEST:
            break
    (DOCS / "images" / f"{name}.png").write_bytes(buffer.getvalue())


def _console(width: int = WIDTH) -> Console:
    return Console(
        record=True, width=width, force_terminal=True, color_system="truecolor", file=StringIO(),
        highlight=False, markup=False, emoji=False,
    )  # fmt: skip


def _save(console: Console, name: str) -> None:
    text = console.export_svg(theme=THEME, code_format=FRAME, unique_id=name)
    (DOCS / "images" / f"{name}.svg").write_text(text)


def detectors() -> None:
    """Write the list of detectors."""
    rows = ["| detector | score | reads | source |", "|---|---|---|---|"]
    for one in map(onnx_ood.find_detector, onnx_ood.list_detectors()):
        reads = ", ".join([*one.needs, *(["references"] if one.uses_reference else [])])
        formula = one.formula.replace("|", "\\|")
        rows.append(f"| `{one.name}` | {formula} | {reads} | {one.source} |")
    _fill("detectors.md", "detectors", rows)


def metrics() -> None:
    """Write the table of metrics of gates."""
    rows = ["| metric | meaning | `target` | worse | needs | from |", "|---|---|---|---|---|---|"]
    for name, one in METRICS.items():
        target = {"trajectories": "type of trajectories", None: ""}.get(one.target, one.target)
        worse = {"change": "any change"}.get(one.worse, one.worse) if one.kind != "names" else ""
        needs = ", ".join(f"`{need}`" for need in one.needs)
        rows.append(f"| `{name}` | {one.meaning} | {target} | {worse} | {needs} | {one.audit} |")
    _fill("ci.md", "metrics", rows)


def names() -> None:
    """Write the public names for type checkers."""
    (DOCS.parent / "onnx_ood" / "__init__.pyi").write_text(stub())


def stub() -> str:
    """Public names as type checkers read them: the package imports them when they are first used."""
    homes = sorted((home, name) for name, home in onnx_ood._HOMES.items())
    lines = ['"""Public names for type checkers; written by docs/generate.py names."""', ""]
    lines += [f"from {home} import {name} as {name}" for home, name in homes]
    return "\n".join([*lines, "", "__version__: str", "__all__: list[str]"]) + "\n"


def lists() -> None:
    """Write all that follows from registries."""
    for action in (schemas, detectors, metrics, names):
        action()


def _fill(name: str, mark: str, rows: Sequence[str]) -> None:
    """Replace a page's table between its marks."""
    page = DOCS / name
    before, start, rest = page.read_text().partition(f"<!-- {mark} -->\n")
    page.write_text(before + start + "\n".join(rows) + "\n" + rest[rest.index("<!-- end -->") :])


if __name__ == "__main__":
    actions = {
        one.__name__: one
        for one in (lists, schemas, detectors, metrics, names, outputs, pictures, screenshots)
    }
    wanted = sys.argv[1:]
    if not wanted or not set(wanted) <= set(actions):
        sys.exit(f"usage: python docs/generate.py {' | '.join(actions)}")
    for action in wanted:
        actions[action]()
