"""Contents of a model file: tensors at any depth, their types, order and stored values."""
