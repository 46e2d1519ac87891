"""The check audit."""
