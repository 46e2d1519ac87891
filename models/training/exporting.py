"""From a trained torch module to the ONNX file that the package ships."""

import warnings
from pathlib import Path

import onnx
import torch
from torch import nn
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
    """Write `model` to `path` with input `image` and output `logits`, both with a free first axis `batch`.

    The TorchScript exporter is used because it keeps the modules' paths as names of nodes and tensors. It
    folds BatchNormalization unless told to preserve what it finds; on a model in inference mode that is all
    that this setting changes.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        torch.onnx.export(
            model.eval(),
            (torch.zeros(1, *image_shape),),
            path,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        )
    onnx.checker.check_model(str(path), full_check=True)
