"""The command line: one file a command; parses, calls one audit, renders."""

from .main import app, main

__all__ = ["app", "main"]
