"""Packages of the distribution: pyproject.toml can't say "all that are found, and two that lie elsewhere"."""

from setuptools import find_packages, setup

# `cli/` and `models/` stand at the top level of the project and are installed under the package,
# so that nothing called `cli` or `models` lands in site-packages.
ELSEWHERE = {"onnx_ood.cli": "cli", "onnx_ood.models": "models"}

setup(packages=[*find_packages(include=["onnx_ood", "onnx_ood.*"]), *ELSEWHERE], package_dir=ELSEWHERE)
