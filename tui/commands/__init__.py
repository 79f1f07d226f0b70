"""The subcommands of `tarmac`, one file a group.

Each module has `add(commands)`, which declares its arguments and sets `run` to a function that does the work and
returns the exit code. What they import at the top is light: `tarmac --help` loads them all.
"""
