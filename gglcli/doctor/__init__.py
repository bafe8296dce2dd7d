"""``ggl doctor``: what keeps this device from working as it should, and what to do about it.

A *check* (see ``checks``) is a function that is given the ``Device``, what was found out about it beforehand, and
yields ``Finding``s. Checks know nothing of each other and of how findings are shown; they run at the same time, since
most of them wait for something. A check looks and changes nothing: neither on the device nor in the cloud.

What needs the cloud is skipped, not failed, where the device was never meant to have one.
"""
