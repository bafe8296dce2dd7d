"""Shell completions, the manual page and the command reference, made from the command tree.

``python -m gglcli.generate`` writes them into the source tree, where they are kept under version control and shipped
from; ``--check`` only says whether they are fresh.
"""
