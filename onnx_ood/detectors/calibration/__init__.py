"""From scores to p-values, flags and combined scores."""
