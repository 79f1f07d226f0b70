"""The latent explorer, pane by pane."""
