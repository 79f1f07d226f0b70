"""Training of models that draw pictures."""
