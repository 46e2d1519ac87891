"""The measure room; see docs/architecture.md."""
