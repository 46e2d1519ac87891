"""Statistical models that detectors fit to references."""
