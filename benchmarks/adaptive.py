"""Savings of `onnx-ood score --adaptive`, and its effect on the ranking of the inputs.

    python benchmarks/adaptive.py [--rounds 3] [--models fashion_cnn ...] [--copies 16 32] [--json FILE]

Bundled models score bundled inputs and damaged versions of them (of the transformer, all bundled sentences) with all of
K copies and with adaptive copies. Ranks by deviation are compared by Kendall's tau-b:

- "tau" of adapted copies with all of them, for inputs in random order;
- "sorted" the same with in-distribution inputs first, then one corruption after the other;
- "fewer" of a smaller fixed count with all copies: the one whose forwards come nearest to those of the adapted run;
- "redrawn" of K copies with K others: how much the order of K copies is worth.

A forward is an input, nudged or not, that goes through the model. Time is that of a whole `onnx_ood.score`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import ratios
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.detectors import deviation_score
from onnx_ood.graph import load, suggest_probes
from onnx_ood.inputs import Preprocessing, read_card, read_image
from onnx_ood.perturb import draw, find_corruption, list_corruptions
from onnx_ood.runtime import Prober, find_site

Float = NDArray[np.float64]

# Every fourth of the 200 garments, the first characters of each sentence: as many as the shortest one has.
GARMENTS, CHARACTERS = slice(1, None, 4), 44
# A second version of each photo for every damage that is drawn, so that there are more than 200.
DRAWN = ("gaussian_noise", "scribble", "patch_shuffle")
TRANSFORMER = "char_transformer"


@dataclass(frozen=True)
class Finding:
    """One model with one number of copies.

    Attributes:
        model: Its name.
        inputs: How many.
        copies: K.
        mean_copies: Mean number of adaptive copies of an input.
        saved: Share of the forwards that adapting saves.
        time: Its time over that of all copies, median.
        quartiles: First and third quartile of that.
        tau: Kendall's tau-b of its ranks and those of all copies.
        tau_sorted: The same for sorted inputs.
        fewer: The smaller fixed count.
        tau_fewer: Tau of that and all copies.
        tau_redrawn: Tau of all copies and as many others.
    """

    model: str
    inputs: int
    copies: int
    mean_copies: float
    saved: float
    time: float
    quartiles: tuple[float, float]
    tau: float
    tau_sorted: float
    fewer: int
    tau_fewer: float
    tau_redrawn: float


def versions(pixels: Sequence[NDArray[np.float32]], twice: bool) -> Iterator[NDArray[np.float32]]:
    """Pictures [H, W, C], first as they are, then damaged in one way after the other."""
    yield from pixels
    kinds = [(kind, 0) for kind in list_corruptions("demo")] + [(kind, 1) for kind in DRAWN if twice]
    for kind, again in kinds:
        for i, picture in enumerate(pixels):
            yield find_corruption(kind).at("demo")(picture, np.random.default_rng([again, i]))


def inputs_of(name: str, preprocessing: Preprocessing | None) -> NDArray[np.generic]:
    """Load the inputs of a model, in-distribution ones first."""
    if preprocessing is None:
        sets = models.sentences()
        texts = [*sets.pop("in_distribution"), *(text for kind in sets.values() for text in kind)]
        return np.stack([models.encode(text[:CHARACTERS]) for text in texts])
    if name.startswith("fashion"):
        pictures = list((models.fashion_samples()[0][GARMENTS, ..., np.newaxis] / 255).astype(np.float32))
    else:
        found = [preprocessing.pixels(read_image(path, preprocessing.channels)) for path in models.photos()]
        pictures = [np.moveaxis(picture, 0, -1) for picture in found]
    return np.stack(
        [
            preprocessing.normalise(np.ascontiguousarray(np.moveaxis(picture, -1, 0)))
            for picture in versions(pictures, twice=not name.startswith("fashion"))
        ]
    )


def drops_of(
    name: str, inputs: NDArray[np.generic], site: str, scale: float, draws: int
) -> tuple[Float, Float]:
    """Cosine drops of every input at each draw, [N, draws, P], and noise floors, [P]."""
    model = load(models.path(name))
    card = read_card(model.path)
    probes = suggest_probes(model, site=find_site(model, site))
    prober = Prober(model, [found.tensor for found in probes], site=site)
    noise = draw("gaussian", prober.site_shape(inputs[:1]), draws, ScoreSettings.seed) * scale
    if card and card.preprocessing:
        noise = noise * card.preprocessing.gain
    floor = prober.noise_floor(inputs[:8])
    blocks = [prober.measure(inputs[i : i + 32], noise.astype(np.float32)) for i in range(0, len(inputs), 32)]
    return np.concatenate([block.cosine_drop() for block in blocks]), floor


def deviation(drops: Float, floor: Float) -> Float:
    """By all given copies, [N, K, P] → [N]."""
    errors = drops.std(axis=1, ddof=1) / np.sqrt(drops.shape[1])
    found = deviation_score(drops.mean(axis=1), errors, floor)
    if found is None:
        raise AssertionError("there are inputs enough, and they differ")
    return found.score


def tau(a: Float, b: Float) -> float:
    return float(kendalltau(a, b).statistic)


def find(name: str, counts: Sequence[int], rounds: int, folder: Path) -> list[Finding]:
    """Measures one model with each number of copies."""
    card = read_card(models.path(name))
    inputs = inputs_of(name, card.preprocessing if card else None)
    shuffled = np.random.default_rng(0).permutation(len(inputs))
    np.save(folder / "sorted.npy", inputs)
    np.save(folder / "shuffled.npy", inputs[shuffled])
    scale = 0.01 if name == TRANSFORMER else ScoreSettings.scale

    def score(file: str, copies: int, *, adaptive: bool) -> tuple[ScoreResult, Float]:
        """Return the result, and the deviation of each input in the order of the file."""
        settings = ScoreSettings(detectors=("deviation",), copies=copies, adaptive=adaptive, scale=scale)
        result = onnx_ood.score(models.path(name), [str(folder / file)], settings)
        by_id = {entry.id: entry.deviation for entry in result.inputs}
        return result, np.array([by_id[f"{(folder / file).as_posix()}[{i}]"] for i in range(len(inputs))])

    findings = []
    drops, floor = drops_of(
        name, inputs, score("shuffled.npy", 1, adaptive=False)[0].site, scale, 2 * max(counts)
    )
    for copies in counts:
        found: dict[bool, tuple[ScoreResult, Float]] = {}

        def run(copies: int, adaptive: bool, found: dict[bool, tuple[ScoreResult, Float]]) -> None:
            found[adaptive] = score("shuffled.npy", copies, adaptive=adaptive)

        timing = ratios.compare(
            {"all": partial(run, copies, False, found), "adaptive": partial(run, copies, True, found)}, rounds
        )["adaptive"]
        all_copies, (result, adapted) = found[False][1], found[True]
        in_order = score("sorted.npy", copies, adaptive=True)[1]
        used = result.adaptive
        if used is None:
            raise AssertionError("the run was adaptive")
        fewer = min(round(used.forwards / len(inputs)) - 1, copies)
        # From other runs than `all_copies`, which must tell the same but for rounding.
        full = deviation(drops[:, :copies], floor)
        if (same := tau(full[shuffled], all_copies)) < 0.999:
            raise AssertionError(f"{name}: the runs to compare with differ, tau {same}")
        findings.append(
            Finding(
                model=name,
                inputs=len(inputs),
                copies=copies,
                mean_copies=used.copies / len(inputs),
                saved=1 - used.forwards / used.forwards_fixed,
                time=timing.ratio,
                quartiles=timing.quartiles,
                tau=tau(adapted, all_copies),
                tau_sorted=tau(in_order[shuffled], all_copies),
                fewer=fewer,
                tau_fewer=tau(deviation(drops[:, :fewer], floor), full),
                tau_redrawn=tau(deviation(drops[:, copies : 2 * copies], floor), full),
            )
        )
    return findings


def show(findings: Sequence[Finding]) -> None:
    table = Table()
    table.add_column("model", no_wrap=True)
    for name in ("inputs", "K", "copies", "saved", "time", "quartiles", "tau", "sorted", "fewer", "redrawn"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in findings:
        table.add_row(
            one.model,
            str(one.inputs),
            str(one.copies),
            f"{one.mean_copies:.1f}",
            f"{one.saved:.0%}",
            f"{one.time:.2f}",
            "{:.2f}-{:.2f}".format(*one.quartiles),
            f"{one.tau:.3f}",
            f"{one.tau_sorted:.3f}",
            f"{one.tau_fewer:.3f} ({one.fewer})",
            f"{one.tau_redrawn:.3f}",
        )
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of timing (3)")
    parser.add_argument("--models", nargs="+", choices=models.names(), default=models.names())
    parser.add_argument("--copies", type=int, nargs="+", default=[16, 32], metavar="K", help="(16 32)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    findings: list[Finding] = []
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            findings += find(name, arguments.copies, arguments.rounds, Path(folder))
    show(findings)
    ratios.write(arguments.json, "cpu", findings=[asdict(one) for one in findings])


if __name__ == "__main__":
    main()
