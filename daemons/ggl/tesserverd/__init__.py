"""tesserverd: AWS credentials over HTTP, for components and the AWS SDKs in them.

The host keeps the port, which is on the loopback interface only, and starts this daemon when somebody connects; there
is a process of it for each port. It leaves soon after the last connection, and has nothing to keep: whose token it is
says the IPC daemon, what is to be answered says tesd. When one of them dies in the middle, the next one is asked, so
whoever waits does not notice.

A request is ``GET /2016-11-01/credentialprovider/`` with the component's token as ``Authorization``. Each connection
has one, and ends with its answer:

======  ======================================================================
status  meaning
======  ======================================================================
200     ``{"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}``
400     not HTTP, or another path
403     no token, or that of no component; or what AWS answered
405     another method than GET
431     the request line and the headers are too long
500     AWS could not be asked, or a daemon that is needed; the text says why
504     no answer within 30 s
others  what AWS answered
======  ======================================================================
"""
