"""iotcored holds the one connection to AWS IoT Core that everything on this device shares.

Everybody publishes through it and subscribes through it: the broker sends each message once, however many on the device
want it. Messages wait in a spool until the broker has acknowledged them, through any loss of the connection. Where more
than 50 subscriptions are needed there are further connections, ``<thing>#2`` and so on. Messages for whose
acknowledgement somebody waits go before those that just wait in the spool. A device that is not configured
for AWS IoT Core has no iotcored: it leaves, and whoever calls is told what is missing.

Bus interface ``aws_iot_mqtt``:

=====================  ===========================================  =================================================
method                 parameters                                   result
=====================  ===========================================  =================================================
``publish``            topic, payload (bytes or string) and, all    ``{}`` when the spool has it; with wait, and of
                       optional: qos (0, 1), retain, wait, and      QoS 1, when the broker has acknowledged it
                       properties
``subscribe``          topic_filter (one, or a list), qos (0, 1),   ``{}`` when the broker has agreed, then items:
                       virtual                                      topic, payload (bytes), qos, retain, duplicate
                                                                    (if so) and properties
``connection_status``                                               nil, then ``true`` or ``false``: whether there is
                                                                    a connection, now and at each change
``status``                                                          configured, missing (keys), connected, since
                                                                    (ms), endpoint, port, version, client_ids,
                                                                    subscriptions, spool (messages, bytes, limit,
                                                                    storage), last_error, next_try (ms, or 0), thing,
                                                                    certificate_expires (ms, or 0), takeovers (by
                                                                    other clients with the same id)
``try_endpoint``       endpoint, port, timeout_ms (both optional)   ``{}``: the device can connect there
``publish_once``       endpoint, port, topic, payload, qos, ...     ``{}`` when it is published there, over a
                                                                    connection of its own
=====================  ===========================================  =================================================

Properties are those of MQTT 5: user_properties (pairs of strings), message_expiry (seconds), correlation_data (bytes),
response_topic, payload_format (1: it is text) and content_type. A ``virtual`` subscription asks the broker for nothing:
it is for answers that AWS sends without. A subscription waits up to 8 seconds for a connection; but one that a
component has had before this daemon was restarted is accepted at once, and made when there is a connection.

Errors: INVALID a topic, filter or argument; RANGE the payload is too large; NOMEM the spool is full; NOCONN there is no
connection and the request cannot wait for one, or the device is not configured for it; REMOTE the broker refuses, for
the reason in the text; BUSY too many subscriptions. The texts of ``try_endpoint`` and ``publish_once`` begin with a
code and a colon: MQTT_CONNECTION_FAILED, TLS_HANDSHAKE_FAILURE, MISSING_MQTT_CONNECT_POLICY, MQTT_PUBLISH_FAILED.

Daemons whose ``mqtt_filters`` are in the catalogue get what comes for them as calls of ``mqtt_message`` (topic,
payload) on their first interface, in order; those that are ``told_of_connection`` get ``mqtt_connected``
(session_present: the broker kept what came meanwhile; first: since iotcored was started). If messages for one of them
could not be delivered, it gets ``mqtt_connected`` without session_present after a minute, to ask for what it missed.

The IPC operations ``PublishToIoTCore``, ``SubscribeToIoTCore`` and ``SubscribeToIoTCoreConnectionStatus`` are served
here as well.
"""
