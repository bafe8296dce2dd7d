"""pubsubd: messages between components of this device, by topic.

Nothing is kept: a message goes to those who subscribe at that moment, in order, and is forgotten. A subscriber that
does not read loses its connection and delays nobody.

Bus interface ``gg_pubsub``:

=============  =====================================  ===========================================================
method         parameters                             result
=============  =====================================  ===========================================================
``publish``    topic, payload, publisher (optional)   how many subscribers it was handed to
``subscribe``  topic (a filter), receive_mode and     nil, then items ``{"topic", "payload", "publisher"}``
               subscriber (both optional)
=============  =====================================  ===========================================================

A payload is ``{"jsonMessage": {"message": {...}}}`` or ``{"binaryMessage": {"message": "<base64>"}}``; on delivery it
also has ``context.topic``. A subscriber over the bus gets everything unless it gives ``receive_mode``. The IPC
operations ``PublishToTopic`` and ``SubscribeToTopic`` are served here as well.
"""
