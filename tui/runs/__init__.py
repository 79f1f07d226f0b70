"""What the screens of runs know and do, besides drawing it."""
