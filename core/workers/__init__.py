"""Start, talk to and stop the subprocess that runs a model."""
