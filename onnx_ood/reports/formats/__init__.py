"""Results in file formats, one module per format, and writing of files."""
