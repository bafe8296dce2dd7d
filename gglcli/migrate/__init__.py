"""Bringing over the configuration of another Greengrass nucleus.

``source`` finds out by content what a path holds; ``tlog`` and ``lite`` read the two formats that have timestamps into
a stamped tree (see ``gglcli.trees``); ``mapping`` decides what of it means something to this runtime. Nothing here
changes anything: the command does, through the configuration daemon.
"""
