"""The latent plane: an endless field of vectors to walk through. Numpy only."""
