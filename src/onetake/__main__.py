"""`python -m onetake` is the `onetake` command."""

from onetake.cli import main

main()
