"""The result of rewriting a model."""
