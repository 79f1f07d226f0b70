"""How the starter datasets that code alone makes are drawn: one canvas, the plans of things, and their parts."""
