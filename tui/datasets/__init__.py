"""What the dataset screens know and do, besides drawing it."""
