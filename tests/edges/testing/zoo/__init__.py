"""Small programs with one known bug each, and their correct twins."""

from . import orders, stuck, times, updates

SPECIMENS = [*updates.SPECIMENS, *orders.SPECIMENS, *stuck.SPECIMENS, *times.SPECIMENS]
