"""Results of OpenOOD v1.5's protocol: published detectors first, then those of onnx_ood.

    python benchmarks/openood.py PROTOCOL DATA MODEL... [--preprocess TEXT] [--train N] [--held-out N] [--limit N]
                                 [--json FILE]

DATA is laid out as OpenOOD's data folder. Detectors with published results learn from N pictures of
`train_PROTOCOL.txt`, drawn at random (OpenOOD: all of them); then detectors that need one run per input, `auto` with
and without references among them, learn from N pictures of `val_PROTOCOL.txt`. FILE keeps the results of other models
that it holds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import ratios

import onnx_ood
from onnx_ood.audits.bench.protocol_sets import LISTS, PROTOCOLS, open_protocol
from onnx_ood.audits.bench.published_results import PUBLISHED
from onnx_ood.evidence.choice import choose_detectors
from onnx_ood.evidence.prepared_model import prepare_model

# Detectors whose cost is one run per input; the rest nudges or needs derivatives.
OURS = (
    *(
        "auto",
        "uncertainty",
        "class_cosine",
        "entropy",
        "activity",
        "profile",
        "activation_prior",
        "batch_norm",
    ),
    *("feature_norm", "mahalanobis", "msp", "max_logit", "energy", "gen", "fdbd", "knn", "vim"),
)


def listed(data: Path, protocol: str, split: str, count: int) -> list[Path]:
    """Draw pictures of a list of the in-distribution set, those that are there."""
    lines = (data / LISTS / protocol / f"{split}_{protocol}.txt").read_text().splitlines()
    folder = data / PROTOCOLS[protocol].id.images
    paths = [path for line in lines if (path := folder / line.split()[0]).is_file()]
    drawn = np.random.default_rng(0).permutation(len(paths))[:count]
    return [paths[place] for place in sorted(drawn)]


def measured(model: Path, names: tuple[str, ...], reference: list[Path], options: argparse.Namespace) -> Any:
    """Run the protocol with the detectors among these that apply."""
    sources = open_protocol(options.protocol, options.data).sources
    prepared = prepare_model(onnx_ood.load(model), sources.all, preprocess=options.preprocess)
    applies, _ = choose_detectors(prepared.model, (), prepared.answer, batched=prepared.batched)
    found = onnx_ood.bench(
        model,
        options.data,
        protocol=options.protocol,
        detectors=tuple(name for name in names if any(one.name == name for one in applies)),
        reference=[str(path) for path in reference],
        preprocess=options.preprocess,
        limit=options.limit,
        provider="cpu",
    )
    print(found)
    stored = found.protocol.model_dump(mode="json")
    # The folder of the data is not part of the results.
    stored["notes"] = [note.replace(f"{options.data}/", "") for note in stored["notes"]]
    return {"references": found.references, "inputs": found.id, **rounded(stored)}


def rounded(value: Any) -> Any:
    """Round all floats to 5 digits."""
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=sorted(PROTOCOLS))
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--preprocess")
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--held-out", type=int, default=200)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    results["machine"] = ratios.machine("cpu")
    published = tuple(one.detector for one in PUBLISHED[options.protocol])
    for model in options.models:
        results[model.stem] = {
            "preprocess": options.preprocess,
            "limit": options.limit,
            "published": measured(
                model, published, listed(options.data, options.protocol, "train", options.train), options
            ),
            "ours": measured(
                model, OURS, listed(options.data, options.protocol, "val", options.held_out), options
            ),
        }
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
