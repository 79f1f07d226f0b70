"""Tests, mirroring core/ and tui/; e2e/ drives real processes and terminals, bench/ measures."""
