"""Reports of the bench audit."""
