"""The least that a row costs on this machine when emitting gives what a framework is for: the contender `hand`.

The limit calls functions and promises nothing. Here every emission gives a handle with what became of each handler, and
one can wait for it; it is in the books from when it is accepted until it is settled; handlers run in a copy of the
emitter's context (published ones in the caller's own), can ask whose emission they run for, and cannot harm each other;
what they emit goes behind; in a loop none of them runs before `emit` returns, and each async one runs in a task.
Another Python, or another build of it, moves the cost of all this against the limit: so it is measured, too.

This is a yardstick and no library. Each row has code of its own with what that row needs and nothing else: one class of
events, handlers that never change, no options, no other orderings, nothing to cancel, and nobody who looks on from
another thread. So code is repeated where a call would cost. What is rare, a value or an exception, is kept by slow code
out of the way.
"""
