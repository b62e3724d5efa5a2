"""Small programs with one known bug each, and their correct twins."""

from . import emitters, orders, stuck, times, updates

SPECIMENS = [*updates.SPECIMENS, *orders.SPECIMENS, *stuck.SPECIMENS, *times.SPECIMENS, *emitters.SPECIMENS]
