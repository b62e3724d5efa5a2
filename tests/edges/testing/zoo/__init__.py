"""Small programs with one known bug each, and their correct twins."""

from . import crowds, cuts, emitters, faults, orders, shared, stuck, times, updates, waits

SPECIMENS = [
    specimen
    for part in (updates, orders, stuck, times, waits, cuts, shared, crowds, emitters, faults)
    for specimen in part.SPECIMENS
]
