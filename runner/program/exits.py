"""Exit codes: the one table for every command."""

FINE = 0
BAD = 1  # there is an answer, and it is bad: a cell is slower, nothing could be measured, a check failed
USAGE = 2  # a wrong option, or nothing to work on
INTERRUPTED = 130  # Ctrl-C or `docker stop`

HELP = "Exit codes: 0 fine; 1 the answer is bad; 2 wrong usage or nothing to work on; 130 interrupted."
