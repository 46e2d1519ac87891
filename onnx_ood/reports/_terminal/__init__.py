"""What all terminal reports share."""
