"""The graph room; see docs/architecture.md."""
