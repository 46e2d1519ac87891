"""Reports of the check audit."""
