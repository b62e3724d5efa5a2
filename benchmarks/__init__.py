"""How fast this package is, next to what the language itself costs, to code written by hand, and to other libraries.

python -m benchmarks                      every row (about five minutes)
python -m benchmarks --list               the names of the rows
python -m benchmarks --rows sync-1 publish-1 --only us limit hand --quick
python -m benchmarks --json figures.json  the raw figures too
python -m benchmarks.page figures.json    put them into the page about speed, with plots
python -m benchmarks.instructions         instructions counted by valgrind, compared with the baseline
"""
