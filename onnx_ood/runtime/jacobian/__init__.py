"""Jacobian norms by forward passes alone."""
