"""`python -m pyventus_typed`."""

import signal
import sys

if __name__ == "__main__":
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see _ctrl_c
            signal.signal(signal.SIGINT, signal.default_int_handler)
        # Imported here, because Ctrl-C may come at any time, and until rich or NATS is imported takes a moment.
        from pyventus_typed.cli import main

        code: int = main()
    except KeyboardInterrupt:
        code = 130
    # What is left is the end of the interpreter, which waits for threads: a second Ctrl-C shall not leave its traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)
