"""Jacobian norms by forward passes."""
