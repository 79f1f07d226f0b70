"""Training: what experiments of all kinds share; `image` and `text` hold what is their own."""
