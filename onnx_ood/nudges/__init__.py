"""The nudges room; see docs/architecture.md."""
