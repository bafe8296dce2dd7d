"""fleetstatusd tells the cloud how the device and its components fare.

Bus interface ``gg_fleet_status``.
"""
