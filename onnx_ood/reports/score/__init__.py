"""Reports of the score audit."""
