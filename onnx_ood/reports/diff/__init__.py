"""Reports of the diff audit."""
