"""Layout of inputs in runs, trial runs and batch independence."""
