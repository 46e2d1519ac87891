"""Reports of rewritten models."""
