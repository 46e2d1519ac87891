"""Published experiment on language models, on the bundled character transformer.

    python benchmarks/published_text.py [--draws 50] [--sentences 40] [--seed 0] [--json FILE]

Gaussian noise of standard deviation 0.01 is added to the token embeddings. The ratio is the angle by which the logits
turn, all positions as one vector, over the angle by which the embeddings turn; it is averaged over 50 draws. The
published claim: a smaller ratio means an out-of-distribution input. An AUROC of 1 confirms the claim, 0.5 is
chance, and 0 inverts the claim.

In-distribution sentences, which were held out of training, are compared with:

- the same ones with their words, or their characters, shuffled;
- sentences in other languages, written in the alphabet that the model knows;
- the in-distribution ones in a foreign script. The vocabulary is closed, so each letter of any other script is the one
  unknown token: of Greek or Cyrillic the model sees the lengths of words, spaces and punctuation. Of a script
  without spaces, such as Chinese, only the length remains. The effect may be that of the unknown token or of its
  repetition; one known letter, repeated, separates the two;
- characters drawn at random from the vocabulary.

The sentences in other languages are shorter than the others. So everything is measured twice: on whole sentences, and
on as many characters of each as the shortest one has.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

import onnx_ood
from onnx_ood import models
from onnx_ood._types import Estimate
from onnx_ood.detectors import deviation_score
from onnx_ood.metrics import auroc
from onnx_ood.perturb import draw
from onnx_ood.runtime import Prober

Float = NDArray[np.float64]

SITE = "/embedding/Gather_output_0"
STD = 1e-2
PROBES = {
    "with positions": "/Add_output_0",
    "block 1": "/blocks.0/Add_1_output_0",
    "block 2": "/blocks.1/Add_1_output_0",
    "block 3": "/blocks.2/Add_1_output_0",
    "last norm": "/norm/LayerNormalization_output_0",
    "logits": "logits",
}
IN_DISTRIBUTION = "in_distribution"
CONTEXT = 128
# The tables need it; into a file or a pipe rich would print no more than 80 columns.
WIDTH = 120


@dataclass(frozen=True)
class Measured:
    """Measurements of N sentences at the probes, means over draws.

    Attributes:
        ratio: Angle at each probe over the angle at the embeddings, [N, P].
        drop: Cosine drop at each probe, [N, P].
        drop_error: Its standard error over draws, [N, P]; NaN for one draw.
        site_angle: Angle at the embeddings in degrees, [N].
    """

    ratio: Float
    drop: Float
    drop_error: Float
    site_angle: Float

    def part(self, start: int, end: int) -> Measured:
        """Select the sentences from `start` to before `end`."""
        return Measured(*(getattr(self, field.name)[start:end] for field in fields(self)))


@dataclass(frozen=True)
class Finding:
    """Comparison of one set of sentences with the in-distribution ones.

    Attributes:
        sentences: Number of sentences.
        characters: Their mean length.
        site_angle: Mean angle at the embeddings, in degrees.
        ratio: Mean ratio by probe.
        ratio_error: Its standard error over sentences by probe.
        as_published: AUROC of "a smaller ratio is out-of-distribution" by probe.
        two_sided: AUROC of the two-sided distance from the in-distribution sentences, over all probes; None with too
            few of them.
    """

    sentences: int
    characters: float
    site_angle: float
    ratio: dict[str, float]
    ratio_error: dict[str, float]
    as_published: dict[str, Estimate]
    two_sided: Estimate | None


def sets_of_sentences(count: int) -> dict[str, list[str]]:
    """Load the first `count` sentences of each set, in-distribution ones first."""
    sets = {name: sentences[:count] for name, sentences in models.sentences().items()}
    random = sets.pop("random")
    # One letter represents all that the vocabulary lacks: the model maps them to the same token.
    sets["foreign_script"] = [re.sub("[A-Za-z]", "λ", sentence) for sentence in sets[IN_DISTRIBUTION]]
    sets["script_without_spaces"] = ["語" * len(sentence) for sentence in sets[IN_DISTRIBUTION]]
    sets["one_known_letter"] = ["e" * len(sentence) for sentence in sets[IN_DISTRIBUTION]]
    return {**sets, "random": random}


def make_prober() -> Prober:
    """Load the bundled transformer, watched after every block, nudged at its token embeddings."""
    model = onnx_ood.load(models.path("char_transformer"))
    return Prober(model, onnx_ood.select(model, list(PROBES.values())), site=SITE, provider="cpu")


def measure(prober: Prober, sentences: Sequence[str], draws: int, seed: int) -> Measured:
    """Measure sentences of any lengths; shorter ones get the first part of the same noise."""
    # The model was trained on one sentence per line, so a sentence follows a newline.
    tokens = [models.encode("\n" + sentence) for sentence in sentences]
    of_length: dict[int, list[int]] = defaultdict(list)
    for index, encoded in enumerate(tokens):
        of_length[len(encoded)].append(index)
    width = prober.site_shape(tokens[0][np.newaxis])[-1]
    order = [prober.probes.index(name) for name in PROBES.values()]
    ratio, drop, error = (np.empty((len(tokens), len(PROBES))) for _ in range(3))
    site_angle = np.empty(len(tokens))
    # Drawn for the whole context, so that the noise of a sentence does not depend on the others.
    noise = STD * draw("gaussian", (CONTEXT, width), draws, seed)
    for length, indices in of_length.items():
        measured = prober.measure(np.stack([tokens[index] for index in indices]), noise[:, :length])
        drops = measured.cosine_drop()[:, :, order]
        ratio[indices] = measured.distortion()[:, :, order].mean(axis=1)
        drop[indices] = drops.mean(axis=1)
        error[indices] = drops.std(axis=1, ddof=1) / np.sqrt(draws) if draws > 1 else np.nan
        site_angle[indices] = np.degrees(measured.site_angle()).mean(axis=1)
    return Measured(ratio, drop, error, site_angle)


def compare(prober: Prober, sets: Mapping[str, Sequence[str]], draws: int, seed: int) -> dict[str, Finding]:
    """Compare every set with the in-distribution sentences."""
    # All at once, since sentences of equal length share runs.
    everything = measure(
        prober, [sentence for sentences in sets.values() for sentence in sentences], draws, seed
    )
    ends = np.cumsum([len(sentences) for sentences in sets.values()])
    measured = {
        name: everything.part(end - len(sets[name]), end)
        for name, end in zip(sets, ends.tolist(), strict=True)
    }
    typical = measured[IN_DISTRIBUTION]
    longest = max(sets[IN_DISTRIBUTION], key=len)
    floor = prober.noise_floor(models.encode("\n" + longest)[np.newaxis])
    floor = floor[[prober.probes.index(name) for name in PROBES.values()]]
    findings = {}
    for name, found in measured.items():
        count = len(found.ratio)
        error = found.ratio.std(axis=0, ddof=1) / np.sqrt(count)
        findings[name] = Finding(
            sentences=count,
            characters=float(np.mean([len(sentence) for sentence in sets[name]])),
            site_angle=float(found.site_angle.mean()),
            ratio=dict(zip(PROBES, found.ratio.mean(axis=0).tolist(), strict=True)),
            ratio_error=dict(zip(PROBES, error.tolist(), strict=True)),
            as_published={
                label: as_published(typical.ratio[:, p], found.ratio[:, p]) for p, label in enumerate(PROBES)
            },
            two_sided=two_sided(typical, found, floor),
        )
    return findings


def as_published(typical: Float, other: Float) -> Estimate:
    """Compute the AUROC of "a smaller ratio is out-of-distribution"."""
    return auroc(-typical, -other)


def two_sided(typical: Measured, other: Measured, floor: Float) -> Estimate | None:
    """Compute the AUROC of the two-sided distance from the in-distribution sentences, left out one by one."""
    known = []
    for index in range(len(typical.drop)):
        others = np.delete(typical.drop, index, axis=0)
        own = typical.drop[index : index + 1], typical.drop_error[index : index + 1]
        scored = deviation_score(*own, floor, others)
        if scored is None:
            return None
        known.append(scored.score[0])
    unknown = deviation_score(other.drop, other.drop_error, floor, typical.drop)
    return auroc(known, unknown.score) if unknown else None


def print_findings(console: Console, whole: Mapping[str, Finding], cut: Mapping[str, Finding]) -> None:
    """Print the ratio at the logits, then the AUROC of the published reading after every block."""
    length = next(iter(cut.values())).characters
    table = _table("Ratio at the logits, and AUROC with its 95% interval, whole sentences")
    table.add_column("set", no_wrap=True)
    for head in ("sentences", "characters", "input turns", "ratio ± s.e.", "as published", "two-sided"):
        table.add_column(head, justify="right")
    for name, found in whole.items():
        is_ood = name != IN_DISTRIBUTION
        table.add_row(
            name.replace("_", " "),
            str(found.sentences),
            f"{found.characters:.0f}",
            f"{found.site_angle:.2f}°",
            f"{found.ratio['logits']:.3f} ± {found.ratio_error['logits']:.3f}",
            _area(found.as_published["logits"]) if is_ood else "",
            _area(found.two_sided) if is_ood else "",
        )
    console.print(table)
    for title, findings in (("whole sentences", whole), (f"the first {length:.0f} characters of each", cut)):
        table = _table(f"AUROC as published by layer, {title}")
        table.add_column("set", no_wrap=True)
        for label in PROBES:
            table.add_column(label, justify="right")
        table.add_column("two-sided", justify="right")
        for name, found in findings.items():
            if name != IN_DISTRIBUTION:
                areas = [*found.as_published.values(), found.two_sided]
                table.add_row(
                    name.replace("_", " "), *(f"{area.value:.2f}" if area else "–" for area in areas)
                )
        console.print()
        console.print(table)
    console.print(f"\nThe published reading of the ratio at the logits: {_verdict(whole)}.")
    console.print(
        "Ratio: angle at the layer divided by angle at the embeddings. As published: a smaller ratio is "
        "out-of-distribution; 1 confirms it, 0.5 is chance, 0 inverts it. Two-sided: distance of log drops from those "
        "of the in-distribution sentences, in either direction, over all layers shown; it needs those sentences."
    )


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)


def _verdict(findings: Mapping[str, Finding]) -> str:
    """List the sets that confirm the claim at the logits or invert it, by their intervals."""
    areas = {
        name.replace("_", " "): found.as_published["logits"]
        for name, found in findings.items()
        if name != IN_DISTRIBUTION
    }
    sides = {
        "inverted": [name for name, area in areas.items() if area.high < 0.5],
        "confirmed": [name for name, area in areas.items() if area.low > 0.5],
        "inconclusive": [name for name, area in areas.items() if area.low <= 0.5 <= area.high],
    }
    return "; ".join(f"{side} for {', '.join(names)}" for side, names in sides.items() if names)


def _json_values(finding: Finding) -> dict[str, Any]:
    """Return the fields of a finding, with estimates as objects: `asdict` would leave them named tuples, JSON lists."""
    return asdict(finding) | {
        "as_published": {label: area._asdict() for label, area in finding.as_published.items()},
        "two_sided": finding.two_sided._asdict() if finding.two_sided else None,
    }


def _area(area: Estimate | None) -> str:
    return f"{area.value:.2f} [{area.low:.2f}, {area.high:.2f}]" if area else "–"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--sentences", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if options.sentences < 2:
        parser.error("a standard error needs at least 2 sentences")

    sets = sets_of_sentences(options.sentences)
    shortest = min(len(sentence) for sentences in sets.values() for sentence in sentences)
    beginnings = {name: [sentence[:shortest] for sentence in texts] for name, texts in sets.items()}
    prober = make_prober()
    whole = compare(prober, sets, options.draws, options.seed)
    cut = compare(prober, beginnings, options.draws, options.seed)
    print_findings(Console(highlight=False, width=WIDTH), whole, cut)
    if options.json:
        content: dict[str, Any] = {
            "model": "char_transformer",
            "site": SITE,
            "std": STD,
            "draws": options.draws,
            "seed": options.seed,
            "probes": PROBES,
            "onnxruntime": onnxruntime.__version__,
            "provider": prober.provider,
            "whole_sentences": {name: _json_values(found) for name, found in whole.items()},
            "cut_to_one_length": {name: _json_values(found) for name, found in cut.items()},
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
