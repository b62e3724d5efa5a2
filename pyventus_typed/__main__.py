"""`python -m pyventus_typed`."""

import sys

from pyventus_typed.cli import main

if __name__ == "__main__":
    sys.exit(main())
