"""A check to begin with."""

from __future__ import annotations

STARTER = """\
# What onnx-ood check measures, and what has to hold. docs/ci.md of onnx_ood explains every key and figure.
# In a pyproject.toml the same stands under [tool.onnx_ood], [tool.onnx_ood.models.NAME] and [[tool.onnx_ood.gates]].
# Paths are relative to this file.

baseline = "onnx-ood-baseline.json"  # onnx-ood check --update-baseline writes it; commit it
least-inputs = 10                    # from fewer inputs a figure of inputs is not evaluated

[models.main]
path = "model.onnx"
inputs = ["data/ordinary"]           # files, folders or globs: what the model is made for
# reference = ["data/known-good"]    # for flagged, and for detectors that learn
# ood = { textures = "data/textures" }
# preprocess = "imagenet"            # default: the card beside the model, or a guess
# baseline-model = "released.onnx"   # for agreement
provider = "cpu"

# Every gate holds for every model, unless it names one with the key model.

[[gates]]
figure = "failed-inputs"
at-most = 0

[[gates]]
figure = "nan-weights"
at-most = 0

[[gates]]
figure = "operators"
none-of = ["Loop", "com.microsoft::*"]

[[gates]]
figure = "size"
at-most = 100_000_000

[[gates]]                            # not larger than in the baseline, beyond noise
figure = "jacobian-norm"
against = "baseline"

# [[gates]]
# figure = "auroc"
# of = "auto"
# set = "textures"                   # without it: the mean over all sets
# at-least = 0.9

# [[gates]]
# figure = "agreement"
# at-least = 0.98
"""
"""A commented file that is a check, once its paths are those of a model and its inputs."""
