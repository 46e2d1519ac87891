"""Detectors, one module each; the registry imports all of them."""
