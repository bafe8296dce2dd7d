"""tesd: AWS credentials for components and daemons, in exchange for the device's certificate.

Credentials are fetched from AWS IoT by a process that exists for this only, and kept until shortly before they expire;
errors are kept for a while, too. While somebody uses them, new ones are fetched before the old ones come to an end.
They are in a file of the run directory as well, which only the runtime's user can read: when this daemon is killed,
nobody notices.

Components, or the AWS SDKs in them, get credentials over HTTP: ``GET /2016-11-01/credentialprovider/`` on a port of the
loopback interface, with the component's token as ``Authorization``. The port is that of the setting ``port`` of
aws.greengrass.TokenExchangeService, or any; it stays the same while the run directory lives, and ``activePort`` says
which it is. The daemon stays as long as it serves the port, which is as long as a component is deployed that depends
on aws.greengrass.TokenExchangeService.

======  ======================================================================
status  meaning
======  ======================================================================
200     ``{"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}``
400     not HTTP, or another path
403     no token, or that of no component; or what AWS answered
405     another method than GET
500     AWS could not be asked; the text says why
504     no answer from AWS within 30 s
others  what AWS answered
======  ======================================================================

Bus interface ``aws_iot_tes``:

=================================  ==================  ==============================================================
method                             parameters          result
=================================  ==================  ==============================================================
``request_credentials``                                map: accessKeyId, secretAccessKey, sessionToken, expiration
``request_credentials_formatted``                      the same as the endpoint gives it: AccessKeyId,
                                                       SecretAccessKey, Token, Expiration
``serve_port``                                         the port of the endpoint, which is served from now on
``try_endpoint``                   endpoint,           nil: there are credentials to be had there, with the role alias
                                   role_alias?         given or configured. Nothing is kept
``configuration_changed``          key_path            nil; for the configuration daemon
``mqtt_connected``                 session_present,    nil; for the MQTT daemon: AWS can be reached again
                                   first
=================================  ==================  ==============================================================

Errors: CONFIG the device is not provisioned, or its certificate or key cannot be used; REMOTE AWS refuses; NOCONN it
cannot be reached; TIMEOUT no answer within 30 s; those of ``try_endpoint`` are REMOTE, and begin with the word
CREDENTIAL_ENDPOINT_AUTH_FAILURE or CREDENTIAL_ENDPOINT_SERVER_ERROR and a colon.
"""
