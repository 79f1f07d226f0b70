"""Training of models that write texts."""
