"""Toolkit of terminal reports."""
