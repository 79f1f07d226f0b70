"""The themes that come with Tarmac, one TOML file each (read by tui/themes.py)."""
