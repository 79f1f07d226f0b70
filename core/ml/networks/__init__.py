"""The networks, in plain PyTorch and under their published parameter names."""
