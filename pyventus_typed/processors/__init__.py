"""The engines: each runs deliveries its own way, behind the same port."""
