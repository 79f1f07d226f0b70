"""Training runs: what was planned, the folder that is the truth about one, and the processes that carry it out."""
