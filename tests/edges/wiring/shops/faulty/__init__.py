"""A shop with one of each fault, planted. ``tests/edges/wiring`` finds the lines by their ``# fault:`` marks."""
