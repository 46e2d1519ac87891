"""The diff audit."""
