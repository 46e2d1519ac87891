"""What a model file contains: its tensors at any depth, their types, order and stored values."""
