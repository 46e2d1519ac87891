"""The audits room; see docs/architecture.md."""
