"""How fast this package is, next to what the language itself costs and to other libraries.

python -m benchmarks                      every row (about five minutes)
python -m benchmarks --list               the names of the rows
python -m benchmarks --rows sync-1 publish-1 --only us limit --quick
python -m benchmarks --json figures.json  the raw figures too
python -m benchmarks.plots figures.json   drawn as SVG
python -m benchmarks.instructions         instructions counted by valgrind, compared with the baseline
"""
