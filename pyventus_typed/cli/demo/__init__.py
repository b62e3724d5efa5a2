"""The demo: what the Python files below a path define and import, as a program made of typed events."""
