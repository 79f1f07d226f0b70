"""Latent-walk films: reel, player and bar."""
