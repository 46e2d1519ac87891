"""The inspect audit."""
