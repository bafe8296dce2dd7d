"""iotcored holds the one connection to AWS IoT Core that everything on this device shares.

Bus interface ``aws_iot_mqtt``.
"""
