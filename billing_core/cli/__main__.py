"""`python -m billing_core.cli`, which is how our own processes are started."""

from billing_core.cli import main

main()
