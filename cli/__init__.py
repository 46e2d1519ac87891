"""The command line: one file a command; parses, calls one audit, renders."""

import os

# Before numpy is imported: threads of BLAS spin while they wait, and take the time of the threads that run the model.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .main import app, main

__all__ = ["app", "main"]
