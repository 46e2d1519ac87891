"""Inputs: from what a user names (files, folders, globs) to batches of tensors; never trusts a file.

`discover` finds the files, `choose` settles how pictures are preprocessed, `Reader` streams batches.
"""

from onnx_ood.inputs._assembly import Batch
from onnx_ood.inputs._files import FailedInput
from onnx_ood.inputs.arrays import ArrayRows, check_row_shape, open_array
from onnx_ood.inputs.cards import Accuracy, Card, choose, read_card
from onnx_ood.inputs.discover import Discovery, discover
from onnx_ood.inputs.images import Channels, as_channels, read_image
from onnx_ood.inputs.preprocessing import Interpolation, Layout, Preprocessing, Resize
from onnx_ood.inputs.presets import PRESETS, Chosen, guess, parse
from onnx_ood.inputs.reader import Reader

__all__ = [
    "PRESETS",
    "Accuracy",
    "ArrayRows",
    "Batch",
    "Card",
    "Channels",
    "Chosen",
    "Discovery",
    "FailedInput",
    "Interpolation",
    "Layout",
    "Preprocessing",
    "Reader",
    "Resize",
    "as_channels",
    "check_row_shape",
    "choose",
    "discover",
    "guess",
    "open_array",
    "parse",
    "read_card",
    "read_image",
]
