"""What a run shows: its card, curves, samples and log."""
