"""p-values, flags, combined scores and early stopping, from scores of references."""
