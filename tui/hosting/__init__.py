"""What the hosting screens know and do, besides drawing it."""
