"""Reports of the plane audit."""
