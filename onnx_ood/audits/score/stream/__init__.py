"""Scores of many inputs, written as the run goes."""
