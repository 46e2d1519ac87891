"""Audit third-party neural networks given only an ONNX file."""
