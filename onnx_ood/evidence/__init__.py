"""From inputs to what detectors read: features of inputs and of references, and fitted detectors."""
