"""The core of Tarmac: everything that does not draw on a terminal."""
