"""From files or arrays to what detectors read: features of inputs and of references."""
