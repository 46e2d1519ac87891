"""Template of a file of gates."""

from __future__ import annotations

STARTER = """\
# Gates of onnx-ood check. All keys and metrics: docs/ci.md of onnx_ood.
# In a pyproject.toml, use the tables [tool.onnx_ood], [tool.onnx_ood.models.NAME] and [[tool.onnx_ood.gates]].
# Paths are relative to this file.

baseline = "onnx-ood-baseline.json"  # written by onnx-ood check --update-baseline; commit it
min-inputs = 10                      # fewer inputs: not evaluated

[models.main]
path = "model.onnx"
inputs = ["data/in-distribution"]    # files, folders or globs
# reference = ["data/known-good"]    # for flagged, and for detectors that learn
# ood = { textures = "data/textures" }
# preprocess = "imagenet"            # default: the model card's, or a guess
# baseline-model = "released.onnx"   # for agreement
provider = "cpu"

# A gate applies to all models, unless it names one with the key model.

[[gates]]
metric = "failed-inputs"
max = 0

[[gates]]
metric = "nan-weights"
max = 0

[[gates]]
metric = "operators"
forbid = ["Loop", "com.microsoft::*"]

[[gates]]
metric = "size"
max = 100_000_000

[[gates]]                            # not larger than in the baseline, beyond noise
metric = "jacobian-norm"
baseline = true

# [[gates]]                          # with reference: inputs unlike the references; expect about 5%
# metric = "flagged"
# max = 0.2

# [[gates]]
# metric = "auroc"
# target = "auto"
# set = "textures"                   # default: the mean over all sets
# min = 0.9

# [[gates]]
# metric = "agreement"
# min = 0.98
"""
"""Commented file of gates; valid once its paths are those of a model and its inputs."""
