"""Reports of the demo audit."""
