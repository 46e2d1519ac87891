"""Compares the numbers of twelve audits before and after a change of the code.

python benchmarks/unchanged_numbers.py run OUT --command 'PYTHON -P -m onnx_ood' [--before]
python benchmarks/unchanged_numbers.py compare BEFORE AFTER

`run` writes inputs to a temporary folder, runs the audits there and stores their JSON in OUT. `--before` uses the
options of commit 839fc5a. `compare` renames keys and values of BEFORE by the tables below, then reports every
difference. Versions, times and paths are not compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Name of a run -> its options before and after.
RUNS: dict[str, tuple[str, str]] = {
    "score": (
        "score efficientnet_lite0.onnx photos --copies 4 --batch-size 8 --provider cpu --json {out}",
        "score efficientnet_lite0.onnx photos --copies 4 --batch-size 8 --provider cpu --json {out}",
    ),
    "score-reference": (
        "score fashion_cnn.onnx ordinary inverted --reference known-good --batch-size 16 --provider cpu --json {out}",
        "score fashion_cnn.onnx in-distribution inverted --reference known-good --copies 4 --batch-size 16 "
        "--provider cpu --json {out}",
    ),
    "score-unusual": (
        "score fashion_resnet.onnx ordinary --detectors strangeness --recipe lesswrong --batch-size 16 "
        "--provider cpu --json {out}",
        "score fashion_resnet.onnx in-distribution --detectors deviation --recipe lesswrong --batch-size 16 "
        "--provider cpu --json {out}",
    ),
    "score-detectors": (
        "score fashion_cnn.onnx ordinary --reference known-good --detectors "
        "auto,knn,vim,mahalanobis,profile,contrast,head_angle,cosine_drop,flip_rate,jacobian_norm "
        "--probe op:Relu --copies 8 --adaptive --advise --batch-size 16 --provider cpu --json {out}",
        "score fashion_cnn.onnx in-distribution --reference known-good --detectors "
        "auto,knn,vim,mahalanobis,profile,spectral-ratio,class-cosine,cosine-drop,flip-rate,jacobian-norm "
        "--probe op:Relu --copies 8 --adaptive --advise --batch-size 16 --provider cpu --json {out}",
    ),
    "bench": (
        "bench fashion_cnn.onnx --id ordinary --ood inverted=inverted --reference known-good --corruptions all "
        "--batch-size 16 --provider cpu --json {out}",
        "bench fashion_cnn.onnx --id in-distribution --ood inverted=inverted --reference known-good --corruptions all "
        "--batch-size 16 --provider cpu --json {out}",
    ),
    "sensitivity": (
        "sensitivity fashion_cnn.onnx fashion_resnet.onnx ordinary/00[0-9].png --directions 16 --trajectories 2 "
        "--batch-size 64 --provider cpu --json {out}",
        "sensitivity fashion_cnn.onnx fashion_resnet.onnx in-distribution/00[0-9].png --directions 16 --trajectories 2 "
        "--batch-size 64 --provider cpu --json {out}",
    ),
    "plane": (
        "plane fashion_cnn.onnx ordinary/000.png ordinary/001.png ordinary/002.png --resolution 40 --directions 8 "
        "--provider cpu --json {out}",
        "plane fashion_cnn.onnx in-distribution/000.png in-distribution/001.png in-distribution/002.png "
        "--resolution 40 --directions 8 --provider cpu --json {out}",
    ),
    "baseline": (
        "check bundled.toml --update-baseline --json {out} --quiet",
        "check bundled.toml --update-baseline --json {out} --quiet",
    ),
    "check": ("check bundled.toml --json {out} --quiet", "check bundled.toml --json {out} --quiet"),
    "preprocess": (
        "preprocess efficientnet_lite0.onnx photos --limit 12 --batch-size 8 --provider cpu --json {out}",
        "preprocess efficientnet_lite0.onnx photos --limit 12 --batch-size 8 --provider cpu --json {out}",
    ),
    "directions": (
        "bench fashion_cnn.onnx --directions --id ordinary --ood inverted=inverted --batch-size 16 "
        "--provider cpu --json {out}",
        "directions fashion_cnn.onnx --id in-distribution --ood inverted=inverted --batch-size 16 "
        "--provider cpu --json {out}",
    ),
    "inspect": ("inspect efficientnet_lite0.onnx --json", "inspect efficientnet_lite0.onnx --json -"),
    "instrument": (
        "instrument char_transformer.onnx -o watched.onnx --probe all",
        "instrument char_transformer.onnx -o watched.onnx --probe all",
    ),
}
_RENUMBERED = ("score", "bench", "directions", "sensitivity", "plane", "preprocess")
# Renamed since: keys and whole string values, wherever they stand.
RENAMED: dict[str, str] = {
    "not evaluated": "not_evaluated",
    "onnx-ood/check/2": "onnx-ood/check/3",
    **{f"onnx-ood/{audit}/1": f"onnx-ood/{audit}/2" for audit in _RENUMBERED},
    "onnx-ood/score/1": "onnx-ood/score/3",
    "generic": "bundled",
    "says nothing": "inconclusive",
    "contrast": "spectral_ratio",
    "head_angle": "class_cosine",
    "low_contrast": "contrast",
    "shuffle_patches": "patch_shuffle",
    "doubt": "uncertainty",
    "fallen_back": "fallback_nodes",
    "layout_note": "batching_note",
}
_SCORES = ("score", "score-reference", "score-unusual", "score-detectors")
# Keys by the path of their object, without numbers of entries: "run.key.key" -> new key. For keys that changed in one
# place only.
RENAMED_IN: dict[str, str] = {
    f"{label}.{key}": new
    for labels, renamed in (
        (
            _SCORES,
            {
                "verdict": "detector_summary",
                "detector_summary.rate": "fpr",
                "run.rows": "batch_size",
                "nudges.family": "noise",
                "advice.on": "active",
                "advice.like": "most_similar",
                "inputs.strangeness": "deviation",
                "inputs.deviation": "probe_deviations",
                "inputs.direction": "rotation",
                "inputs.published": "published_score",
            },
        ),
        (
            ("bench",),
            {
                "ordinary": "id",
                "sets.made": "synthetic",
                "detectors.figures": "metrics",
                "detectors.behind": "gap_to_best",
                "flags.rate": "fpr",
                "flags.ordinary": "id",
                "corruptions.kinds": "corruptions",
                "corruptions.detectors.curves.kind": "corruption",
            },
        ),
        (
            ("directions",),
            {
                "ordinary": "id",
                "families": "noises",
                "sets.made": "synthetic",
                "sets.settings.family": "noise",
                "sets.shares.family": "noise",
                "counts.says_nothing": "inconclusive",
                "sets.counts.says_nothing": "inconclusive",
                "factors.levels.counts.says_nothing": "inconclusive",
            },
        ),
        (
            ("sensitivity",),
            {
                "models.jacobian.of": "probe",
                "models.kinds": "trajectory_types",
                "models.trajectory_types.kind": "type",
                "models.trajectories.kind": "type",
                "models.sites.density.different classes": "different_classes",
                "models.sites.density.same class": "same_class",
            },
        ),
        (
            ("check", "baseline"),
            {
                "gates.figure": "metric",
                "gates.of": "target",
            },
        ),
        (
            ("preprocess",),
            {
                "questions.candidates.behind": "gap",
                "questions.candidates.words": "spec",
            },
        ),
        (
            ("plane",),
            {
                "layer": "probe",
                "probe.lines.of": "index",
                "classes.lines.of": "index",
                "jacobian.of": "probe",
            },
        ),
    )
    for label in labels
    for key, new in renamed.items()
}
# Values by the path of their object, likewise.
RENAMED_VALUES: dict[str, dict[str, str]] = {
    "directions.factors.name": {"family": "noise"},
    # A corruption, not the detector of that name.
    "bench.corruptions.corruptions": {"contrast": "contrast"},
    "bench.corruptions.detectors.curves.corruption": {"contrast": "contrast"},
    **{
        f"sensitivity.models.{where}.type": {
            "same class": "same_class",
            "different classes": "different_classes",
        }
        for where in ("trajectory_types", "trajectories")
    },
    "plane.probe.exact": {"pieces": "pattern"},
    "preprocess.questions.verdict": {"told": "determined", "can't tell": "undetermined"},
    "sensitivity.models.sites.exact": {"pieces": "pattern"},
}
# AUROCs are counted in integers now, and quantiles of Student's t are scipy's: the last digits moved.
RELATIVE, ABSOLUTE = 1e-12, 1e-13
# Starts of paths of inputs.
RENAMED_STARTS = {"ordinary/": "in-distribution/"}
# Keys of results that came later.
ADDED = {
    "check.gates.min_inputs",
    "baseline.gates.min_inputs",
    "check.models.settings",
    "baseline.models.settings",
    "sensitivity.limit",
    "plane.feeds",
    "plane.site",
    "plane.classes.unknown",
    "plane.jacobian.unknown",
    "plane.probe.unknown",
    "bench.settings",
    "bench.site",
    "bench.feeds",
    "directions.settings",
    "directions.feeds",
} | {f"{label}.settings" for label in _SCORES}
# Not numbers of an audit.
IGNORED = {
    *("environment", "version", "seconds", "time", "started", "command", "cache"),
    *(
        "notes",
        "reason",
        "expected",
        "advice",
        "formula",
        "source",
        "rule",
        "conclusion",
        "provider_note",
        "preprocessing",
    ),
}


def run(out: Path, command: str, only: list[str], *, before: bool) -> int:
    """Run all audits; return the number of unexpected exit codes."""
    out.mkdir(parents=True, exist_ok=True)
    example = Path(__file__).resolve().parents[1] / "docs" / "ci" / "example.py"
    bad = 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        python = shlex.split(command)[0]
        subprocess.run([python, "-P", str(example), str(folder), "bundled"], check=True)
        if before:
            _write_old_config(folder)
        for label in only:
            commands = RUNS[label]
            target = out.resolve() / f"{label}.json"
            arguments = shlex.split(commands[0 if before else 1].format(out=target))
            done = subprocess.run(
                [*shlex.split(command), *arguments], cwd=folder, capture_output=True, text=True, check=False
            )
            if label == "inspect" and done.stdout:
                target.write_text(done.stdout)
            if label == "instrument":
                digest = hashlib.sha256((folder / "watched.onnx").read_bytes()).hexdigest()
                target.write_text(json.dumps({"sha256": digest, "printed": done.stdout.split("\n")[0]}))
            print(f"{label}: exit code {done.returncode}", flush=True)
            if not target.exists():
                print(done.stderr[-2000:], file=sys.stderr)
                bad += 1
    return bad


def _write_old_config(folder: Path) -> None:
    """Replace the file of gates by that of the commit before."""
    old = subprocess.run(
        ["git", "show", "839fc5a:docs/ci/bundled.toml"],
        cwd=Path(__file__).parent,
        capture_output=True,
        check=True,
    )
    (folder / "bundled.toml").write_bytes(old.stdout)


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Every place where two results differ, up to renamed keys."""
    if isinstance(before, dict) and isinstance(after, dict):
        renamed = {_key(path, key): value for key, value in before.items() if key not in IGNORED}
        found = []
        for key in sorted(renamed.keys() | (after.keys() - IGNORED)):
            where = f"{path}.{key}" if path else key
            if key not in after:
                found.append(f"{where}: only before ({str(renamed[key])[:60]})")
            elif key not in renamed and _unnumbered(where) in ADDED:
                continue
            elif key not in renamed:
                found.append(f"{where}: only after ({str(after[key])[:60]})")
            else:
                found += differences(renamed[key], after[key], where)
        return found
    if isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            return [f"{path}: {len(before)} entries before, {len(after)} after"]
        return [
            one
            for i, pair in enumerate(zip(before, after, strict=True))
            for one in differences(*pair, f"{path}[{i}]")
        ]
    if isinstance(before, float) and isinstance(after, float):
        same = (math.isnan(before) and math.isnan(after)) or math.isclose(
            before, after, rel_tol=RELATIVE, abs_tol=ABSOLUTE
        )
        return [] if same else [f"{path}: {before!r} before, {after!r} after"]
    if isinstance(before, str):
        before = RENAMED_VALUES.get(_unnumbered(path), {}).get(before, RENAMED.get(before, before))
        for old, new in RENAMED_STARTS.items():
            if before.startswith(old):
                before = new + before.removeprefix(old)
    return [] if before == after else [f"{path}: {before!r} before, {after!r} after"]


def _key(path: str, key: str) -> str:
    return RENAMED_IN.get(f"{_unnumbered(path)}.{key}", RENAMED.get(key, key))


def _unnumbered(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path)


def compare(before: Path, after: Path) -> int:
    """Print the differences of all runs; return the number of runs that differ."""
    count = 0
    for label in RUNS:
        found = differences(
            json.loads((before / f"{label}.json").read_text()),
            json.loads((after / f"{label}.json").read_text()),
            label,
        )
        count += bool(found)
        print(f"{label}: {'equal' if not found else f'{len(found)} differences'}")
        for line in found[:20]:
            print(f"    {line}")
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="verb", required=True)
    running = commands.add_parser("run")
    running.add_argument("out", type=Path)
    running.add_argument("--command", required=True)
    running.add_argument("--before", action="store_true")
    running.add_argument("--only", nargs="*", help="names of runs")
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.verb == "run":
        sys.exit(run(options.out, options.command, options.only or list(RUNS), before=options.before))
    sys.exit(compare(options.before, options.after))
