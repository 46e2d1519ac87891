"""How inputs are grouped into runs, and whether they stay independent there."""
