"""The detectors room; see docs/architecture.md."""
