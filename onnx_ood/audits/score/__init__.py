"""The score audit."""
