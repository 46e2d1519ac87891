"""The plane audit."""
