"""Everything that needs PyTorch: networks, training, checkpoints, metrics, and the adapters that workers run."""
