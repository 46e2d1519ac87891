"""Noise families and corruptions: pure functions on arrays, seeded."""

from onnx_ood.nudges.corruptions import CONTROLS, CORRUPTIONS
from onnx_ood.nudges.lesswrong import lesswrong_nudges
from onnx_ood.nudges.noise import FAMILIES, draw

__all__ = ["CONTROLS", "CORRUPTIONS", "FAMILIES", "draw", "lesswrong_nudges"]
