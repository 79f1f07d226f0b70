"""Texts as training material: found, decoded, split, counted and stored."""
