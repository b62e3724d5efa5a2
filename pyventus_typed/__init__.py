"""Typed events: frozen dataclasses, checked handlers, and books that account for every emission."""
