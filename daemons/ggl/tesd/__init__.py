"""tesd fetches AWS credentials for this device and hands them to components and daemons.

Bus interface ``aws_iot_tes``.
"""
