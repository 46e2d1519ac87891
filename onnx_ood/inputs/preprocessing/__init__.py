"""Preprocessing of pictures: specification, presets and model cards."""
