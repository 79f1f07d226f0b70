"""Writing texts token by token: engines, sampling, and many texts at once."""
