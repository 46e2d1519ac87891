"""Noise families and corruptions: pure functions on arrays, seeded."""

from onnx_ood.nudges.lesswrong import lesswrong_nudges
from onnx_ood.nudges.noise import FAMILIES, draw

__all__ = ["FAMILIES", "draw", "lesswrong_nudges"]
