"""Reports of the doctor audit."""
