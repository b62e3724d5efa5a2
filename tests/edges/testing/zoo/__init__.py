"""Small programs with one known bug each, and their correct twins."""

from . import crowds, cuts, emitters, orders, shared, stuck, times, updates, waits

SPECIMENS = [
    specimen
    for part in (updates, orders, stuck, times, waits, cuts, shared, crowds, emitters)
    for specimen in part.SPECIMENS
]
