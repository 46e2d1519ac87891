"""Reports of the inspect audit."""
