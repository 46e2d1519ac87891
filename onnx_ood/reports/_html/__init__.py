"""Toolkit of HTML pages."""
