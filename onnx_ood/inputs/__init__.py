"""Inputs: from files, folders, globs, arrays and images to batches of tensors. No file is trusted.

`open_inputs` finds the inputs, `choose` determines the preprocessing of pictures, `Reader` streams batches.
"""

from onnx_ood._printable import shown
from onnx_ood.inputs.assembly import Batch
from onnx_ood.inputs.batch_reader import Reader
from onnx_ood.inputs.classes import Classes, read_classes
from onnx_ood.inputs.discover import discover
from onnx_ood.inputs.files import FailedInput, open_regular
from onnx_ood.inputs.images import Channels, as_channels, read_image
from onnx_ood.inputs.in_memory import MemoryInput
from onnx_ood.inputs.labels import read_labels
from onnx_ood.inputs.open_inputs import open_inputs, open_references
from onnx_ood.inputs.preprocessing.card import Accuracy, Card, choose, read_card
from onnx_ood.inputs.preprocessing.presets import PRESETS, Chosen, guess, parse
from onnx_ood.inputs.preprocessing.spec import Interpolation, Layout, Preprocessing, Resize
from onnx_ood.inputs.rows.arrays import ArrayRows, check_row_shape, open_array
from onnx_ood.inputs.rows.audio import WaveformRows, open_waveform
from onnx_ood.inputs.rows.file_types import is_archive, is_picture
from onnx_ood.inputs.rows.picture_arrays import picture_to_type
from onnx_ood.inputs.rows.protocol import RowRequest
from onnx_ood.inputs.rows.shared_values import GRAMMAR as FEED_GRAMMAR
from onnx_ood.inputs.rows.shared_values import SharedValue
from onnx_ood.inputs.rows.tables import TableRows, open_table
from onnx_ood.inputs.rows.texts import find_tokenizer, role_of
from onnx_ood.inputs.source import FileRow, InputSource, Item

__all__ = [
    "FEED_GRAMMAR",
    "PRESETS",
    "Accuracy",
    "ArrayRows",
    "Batch",
    "Card",
    "Channels",
    "Chosen",
    "Classes",
    "FailedInput",
    "FileRow",
    "InputSource",
    "Interpolation",
    "Item",
    "Layout",
    "MemoryInput",
    "Preprocessing",
    "Reader",
    "Resize",
    "RowRequest",
    "SharedValue",
    "TableRows",
    "WaveformRows",
    "as_channels",
    "check_row_shape",
    "choose",
    "discover",
    "find_tokenizer",
    "guess",
    "is_archive",
    "is_picture",
    "open_array",
    "open_inputs",
    "open_references",
    "open_regular",
    "open_table",
    "open_waveform",
    "parse",
    "picture_to_type",
    "read_card",
    "read_classes",
    "read_image",
    "read_labels",
    "role_of",
    "shown",
]
