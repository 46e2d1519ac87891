"""The reports room; see docs/architecture.md."""
