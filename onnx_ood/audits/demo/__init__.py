"""The demo audit."""
