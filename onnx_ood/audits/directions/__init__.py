"""The directions audit."""
