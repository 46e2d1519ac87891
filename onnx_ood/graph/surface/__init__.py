"""Rewriting: tensors from any depth become outputs, sites become inputs."""
