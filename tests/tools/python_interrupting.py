"""A module that stops like a program by Ctrl-C when it is imported."""

raise KeyboardInterrupt
