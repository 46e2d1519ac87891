"""Reports of the preprocess audit."""
