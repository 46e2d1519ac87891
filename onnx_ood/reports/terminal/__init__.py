"""Results on a terminal, by rich: readable without colour, as wide as the terminal is."""

from onnx_ood.reports.terminal.score import print_score

__all__ = ["print_score"]
