"""Data that all results share: environment, model facts, failures."""
