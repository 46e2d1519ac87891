"""From a trained torch module to the ONNX file that the package ships."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

OPSET = 17


def fold_batch_norm(module: nn.Module) -> None:
    """Fold, in place, each child called `bn` into its sibling called `conv`.

    The exporter can do this too, but then it replaces the weights' names by numbers.
    """
    conv, batch_norm = getattr(module, "conv", None), getattr(module, "bn", None)
    if isinstance(conv, nn.Conv2d) and isinstance(batch_norm, nn.BatchNorm2d):
        module.conv = fuse_conv_bn_eval(conv, batch_norm)
        module.bn = nn.Identity()
    for child in module.children():
        fold_batch_norm(child)


def export(model: nn.Module, path: Path, image_shape: tuple[int, int, int]) -> None:
    """Write `model` to `path` with input `image` and output `logits`, both with a free first axis `batch`."""
    export_with_axes(model, path, "image", torch.zeros(1, *image_shape), {0: "batch"})


def export_with_axes(
    model: nn.Module, path: Path, input_name: str, example: Tensor, free_axes: dict[int, str]
) -> None:
    """Write `model` to `path` with one input and the output `logits`, both with the same free axes.

    The TorchScript exporter is used because it keeps the modules' paths as names of nodes and tensors. It
    folds BatchNormalization unless set to preserve the training mode; on a model in inference mode that is all
    that this setting changes.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        torch.onnx.export(
            model.eval(),
            (example,),
            path,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            opset_version=OPSET,
            input_names=[input_name],
            output_names=["logits"],
            dynamic_axes={input_name: free_axes, "logits": free_axes},
        )
    onnx.checker.check_model(str(path), full_check=True)


def store_weights_as_float16(graph: onnx.GraphProto) -> None:
    """Round each weight of two or more axes to float16; a cast at the graph's start restores type and name.

    onnxruntime folds the casts when it loads the model. Biases stay float32: they are few, and a rounded bias
    shifts a whole channel.
    """
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        name = tensor.name
        stored = f"{name}.float16"
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], f"/{name}/Cast", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def shrink(path: Path) -> None:
    """Tidy an exported file in place and halve its size."""
    model = onnx.load(path)
    store_weights_as_float16(model.graph)
    del model.graph.value_info[:]
    onnx.save(model, path)
