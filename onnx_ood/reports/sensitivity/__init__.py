"""Reports of the sensitivity audit."""
