"""The bench audit."""
