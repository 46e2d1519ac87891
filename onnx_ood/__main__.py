"""`python -m onnx_ood`: the same program as `onnx-ood`."""

from onnx_ood.cli import main

main()
