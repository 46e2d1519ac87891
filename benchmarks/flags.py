"""Fraction of in-distribution inputs that are flagged: the table "Flags" of docs/detectors.md.

    python benchmarks/flags.py DATA [--only NAME]... [--json FILE]

DATA as in benchmarks/detectors.py. Of each model's in-distribution inputs 32 are drawn as references and 200 others are
judged, 40 times over. Flagged is what has a p-value of at most 0.05, by `auto`. The guarantee is one on average over
draws: of independent draws, 95% of the means would lie within two standard errors of a rate that is at most 0.05.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import ratios
from detectors import PREPROCESSING, REFERENCES, cut, pictures

from onnx_ood.detectors import calibrate, find_detector, flag
from onnx_ood.evidence.collect import Collector
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.evidence.reader import ReaderFactory
from onnx_ood.inputs import discover
from onnx_ood.metrics.estimates import fraction_interval

DRAWS, FRESH, RATE = 40, 200, 0.05
MOST = 600


def counts(path: Path, kind: str, id_inputs: list[str]) -> list[int]:
    """Count the flagged inputs for each draw of references."""
    auto, source = find_detector("auto"), discover(id_inputs)
    prepared = prepare_model(path, source, preprocess=PREPROCESSING.get(kind))
    reader = ReaderFactory(prepared)(auto.needs)
    found = Collector(reader, prepared, limit=MOST).collect(source).values
    rng = np.random.default_rng(0)
    flagged = []
    for _ in range(DRAWS):
        order = rng.permutation(len(found))[: REFERENCES + FRESH]
        references, fresh = (found.rows(rows) for rows in np.split(order, [REFERENCES]))
        calibrated = calibrate(auto, reader.info, references, seed=0)
        flagged.append(int(flag(calibrated.p_values(fresh), RATE, calibrated.references).sum()))
    return flagged


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", action="append", help="models to measure, by name; default: all")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = {}
    print(
        "| model | flagged of 200, median | 5% to 95% of draws | share, mean ± standard error |\n|---|---:|---:|---:|"
    )
    with TemporaryDirectory() as temporary:
        for path in sorted(options.data.glob("*/*.onnx")):
            if options.only and path.stem not in options.only:
                continue
            with pictures(path.parent) as sets:
                for model in (path, cut(path, Path(temporary))):
                    flagged = np.array(counts(model, path.parent.name, sets["id"]))
                    low, middle, high = np.percentile(flagged, [5, 50, 95])
                    shares = flagged / FRESH
                    error = shares.std(ddof=1) / np.sqrt(DRAWS)
                    print(
                        f"| {model.stem} | {middle:.0f} | {low:.0f} to {high:.0f} | "
                        f"{shares.mean():.3f} ± {error:.3f} |",
                        flush=True,
                    )
                    figures[model.stem] = {
                        "flagged": flagged.tolist(),
                        "first_interval": [
                            round(one, 4) for one in fraction_interval(int(flagged[0]), FRESH)[1:]
                        ],
                    }
    ratios.write(options.json, "cpu", flags={"of": FRESH, "rate": RATE, "references": REFERENCES, **figures})


if __name__ == "__main__":
    main()
