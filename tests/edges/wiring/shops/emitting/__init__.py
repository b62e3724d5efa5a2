"""Handlers that emit in every way that can be read from their source."""
