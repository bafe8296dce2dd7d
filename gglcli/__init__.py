"""The ``ggl`` command: every action of the runtime, for people on a terminal and for scripts in a pipe.

``__main__`` starts it, ``app`` holds the command tree, ``commands`` what each command does, ``client`` reaches the
runtime, ``output`` writes the result.
"""
