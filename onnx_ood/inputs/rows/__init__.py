"""Files that hold several inputs as rows: arrays, tables, recordings."""
