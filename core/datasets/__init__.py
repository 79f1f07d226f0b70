"""Training data: drawn, collected, checked, and prepared into arrays that are mapped from disk. No torch here."""
