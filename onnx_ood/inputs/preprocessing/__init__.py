"""How pictures become tensors: specification, presets and model cards."""
