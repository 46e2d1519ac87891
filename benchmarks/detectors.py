"""All detectors on models and sets in a folder: the tables of docs/detectors.md.

    python benchmarks/detectors.py DATA [--only NAME]... [--json FILE] [--markdown FILE]

DATA has a folder for each kind of input: models as .onnx, in-distribution inputs as `id.npz` (`images`, uint8) or a
folder `id/` of pictures, and out-of-distribution sets as the same in `ood/`. Each model is measured as it is and cut
before its head, without references and with 32 of its in-distribution inputs as references (not measured); with
references `auto` is measured on four further draws of them, too. To the sets that are there come those that `onnx-ood
bench` makes. 300 inputs a set, 100 of pictures larger than 64 pixels; all by one seed. Detectors by nudges read layers
that a model and its cut version share, so that the latter is measured without them.

How a model takes pictures is read from its card, else from the table below; a folder that isn't in it is guessed.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import ratios
from onnx import ModelProto, utils
from PIL import Image

import onnx_ood
from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.detectors import find_detector, find_feature_sources, list_detectors
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import load

REFERENCES = 32
DRAWS = 5
MANY, FEW = 300, 100
SMALL = 64
# What nudges tell.
NUDGED = {"pairs", "smooth", "ring", "jacobian"}
# Models that come without a card.
PREPROCESSING = {
    "mnist": "unit,stretch",
    "fashion": "unit,stretch",
    "cifar10": "imagenet,stretch",
    "imagenet": "inception,bicubic",
}


@contextmanager
def pictures(folder: Path) -> Iterator[dict[str, list[str]]]:
    """Collect the sets of a folder as picture files, by name; arrays are written to files."""
    with TemporaryDirectory() as temporary:
        sets = {}
        for path in [*folder.glob("id*"), *sorted((folder / "ood").iterdir())]:
            if path.is_dir():
                sets[path.name] = sorted(map(str, path.glob("*.*")))
            elif path.suffix == ".npz":
                sets[path.stem] = list(_written(path, Path(temporary) / path.stem))
        yield sets


def _written(path: Path, folder: Path) -> Iterator[str]:
    folder.mkdir()
    with np.load(path) as stored:
        for i, image in enumerate(stored["images"]):
            Image.fromarray(image).save(folder / f"{i:05}.png")
            yield str(folder / f"{i:05}.png")


def cut(path: Path, folder: Path) -> Path:
    """Remove the linear head of a model, so that it returns the features that the head reads."""
    features = find_feature_sources(load(path)).features
    assert features is not None
    proto = onnx.load(path)
    names = [value.name for value in proto.graph.input if value.name not in _stored(proto)]
    target = folder / f"{path.stem}-cut.onnx"
    onnx.save(
        utils.Extractor(onnx.shape_inference.infer_shapes(proto)).extract_model(names, [features]), target
    )
    return target


def _stored(proto: ModelProto) -> set[str]:
    return {tensor.name for tensor in proto.graph.initializer}


def measure(
    path: Path,
    kind: str,
    sets: dict[str, list[str]],
    references: int,
    cache: Path,
    *,
    nudged: bool = True,
    draw: int = 0,
) -> BenchResult:
    """One model on all sets; by `auto` alone for every draw of references but the first."""
    usual, rest = sets["id"], {name: files for name, files in sets.items() if name != "id"}
    with Image.open(usual[0]) as first:
        limit = MANY if max(first.size) <= SMALL else FEW
        # Elsewhere the bundled photos don't stand for references.
        coloured = first.mode != "L"
    order = np.random.default_rng(draw).permutation(len(usual))
    measured = [usual[i] for i in order[: len(usual) - REFERENCES]]
    info = find_feature_sources(load(path)).info
    learning = bool(references) or coloured
    by_itself = [
        one.name
        for one in map(find_detector, list_detectors())
        if one.why_not(info) is None
        and not NUDGED & set(one.needs)
        and (learning or not one.requires_reference(info))
    ]
    if not nudged and not by_itself:
        raise UsageError("without references no detector but those by nudges applies")
    settings = onnx_ood.BenchSettings(
        detectors=("auto",) if draw else () if nudged else tuple(by_itself),
        limit=limit,
        preprocess=PREPROCESSING.get(kind),
        cache=cache,
    )
    known = [usual[i] for i in order[len(usual) - REFERENCES :]][:references]
    return onnx_ood.bench(path, measured, rest, settings, reference=known or None)


def table(results: dict[str, BenchResult], detectors: list[str]) -> str:
    """Mean AUROCs, a column a model."""
    lines = [
        "| detector | " + " | ".join(results) + " |",
        "|---|" + "---:|" * len(results),
    ]
    for name in detectors:
        cells = []
        for result in results.values():
            found = next((one for one in result.detectors if one.name == name), None)
            cells.append("–" if found is None else f"{found.macro.value:.3f}")
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def worst(results: dict[str, BenchResult], detectors: list[str]) -> str:
    """List the three worst sets of each detector over all models."""
    lines = ["| detector | lowest AUROCs |", "|---|---|"]
    for name in detectors:
        found = [
            (figure.auroc.value, figure.set, model)
            for model, result in results.items()
            for one in result.detectors
            if one.name == name
            for figure in one.metrics
        ]
        cells = [f"{value:.2f} {figure} ({model})" for value, figure, model in sorted(found)[:3]]
        lines.append(f"| `{name}` | " + ", ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def scatter(draws: dict[str, list[float]]) -> str:
    """Mean AUROCs of `auto` over draws of references."""
    lines = ["| model | mean | lowest | highest |", "|---|---:|---:|---:|"]
    for model, means in draws.items():
        lines.append(f"| {model} | {np.mean(means):.3f} | {min(means):.3f} | {max(means):.3f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", action="append", help="models to measure, by name; default: all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    found: dict[str, dict[str, BenchResult]] = {"none": {}, "cut": {}, "given": {}, "cut, given": {}}
    draws: dict[str, dict[str, list[float]]] = {"given": {}, "cut, given": {}}
    with TemporaryDirectory() as temporary:
        cache = Path(temporary) / "cache"
        for path in sorted(options.data.glob("*/*.onnx")):
            if options.only and path.stem not in options.only:
                continue
            with pictures(path.parent) as sets:
                headless = cut(path, Path(temporary))
                for way, model, references in (
                    ("none", path, 0),
                    ("cut", headless, 0),
                    ("given", path, REFERENCES),
                    ("cut, given", headless, REFERENCES),
                ):
                    began = time.perf_counter()
                    try:
                        result = measure(
                            model, path.parent.name, sets, references, cache, nudged=model == path
                        )
                    except UsageError as error:
                        print(path.stem, way, error, flush=True)
                        continue
                    found[way][path.stem] = result
                    shown = {one.name: round(one.macro.value, 3) for one in result.detectors[:4]}
                    if references:
                        auto = next(one for one in result.detectors if one.name == "auto")
                        others = (
                            measure(model, path.parent.name, sets, references, cache, draw=draw).detectors[0]
                            for draw in range(1, DRAWS)
                        )
                        draws[way][path.stem] = [one.macro.value for one in (auto, *others)]
                    print(path.stem, way, f"{time.perf_counter() - began:.0f} s", shown, flush=True)
                write(options, found, draws)
                shutil.rmtree(cache)


def write(
    options: argparse.Namespace,
    found: dict[str, dict[str, BenchResult]],
    draws: dict[str, dict[str, list[float]]],
) -> None:
    """Write metrics and tables."""
    if options.markdown:
        titles = {
            "none": "Without references",
            "cut": "Without references, models cut before their heads",
            "given": f"With {REFERENCES} references",
            "cut, given": f"With {REFERENCES} references, models cut before their heads",
        }
        only = "".join(f" --only {name}" for name in options.only or ())
        text = (
            "# Detectors: tables\n\nMean AUROCs over sets, as [detectors.md](detectors.md) says. Made by "
            f"`python benchmarks/detectors.py DATA{only}`.\n\n"
        )
        for way, results in found.items():
            if not results:
                continue
            names = list(dict.fromkeys(one.name for result in results.values() for one in result.detectors))
            mean = {
                name: np.mean(
                    [
                        one.macro.value
                        for result in results.values()
                        for one in result.detectors
                        if one.name == name
                    ]
                )
                for name in names
            }
            names.sort(key=lambda name: -mean[name])
            text += f"### {titles[way]}\n\n{table(results, names)}\n"
            if way in {"none", "given"}:
                text += f"Lowest AUROCs of each detector:\n\n{worst(results, names)}\n"
            if way in draws:
                text += f"`auto` with {DRAWS} draws of references; the first is the one above.\n\n"
                text += f"{scatter(draws[way])}\n"
        options.markdown.write_text(text)
    figures = {
        way: {model: _figures(result) for model, result in results.items()} for way, results in found.items()
    }
    rounded = {
        way: {model: [round(one, 4) for one in means] for model, means in models.items()}
        for way, models in draws.items()
    }
    ratios.write(options.json, "cpu", detectors=figures, draws=rounded)


def _figures(result: BenchResult) -> dict[str, object]:
    return {
        one.name: {
            "mean": round(one.macro.value, 4),
            "interval": [round(one.macro.low, 4), round(one.macro.high, 4)],
            "sets": {figure.set: round(figure.auroc.value, 4) for figure in one.metrics},
        }
        for one in result.detectors
    } | {
        "references": {"source": result.reference, "count": result.references, "id": result.id},
        "flags": None if result.flags is None else result.flags.model_dump(),
    }


if __name__ == "__main__":
    main()
