"""The preprocess audit."""
