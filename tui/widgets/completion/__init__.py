"""The completion pane of a text model."""
