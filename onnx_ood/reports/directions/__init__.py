"""Reports of the directions audit."""
