"""The doctor audit."""
