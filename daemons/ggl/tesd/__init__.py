"""tesd: AWS credentials for components and daemons, in exchange for the device's certificate.

Credentials are fetched from AWS IoT by a process that exists for this only, and kept until shortly before they expire;
errors are kept for a while, too. Who asks when the end of the credentials is near gets those there are, and new ones
are fetched in the background: nobody who uses them has to wait again. All of this is in a file of the run directory,
which only the runtime's user can read. So the daemon leaves when nobody asks it, and when it is killed, nobody notices.

Components get credentials over HTTP from tesserverd, on a port that the host keeps open: it is asked for that here,
when the first component begins that depends on aws.greengrass.TokenExchangeService. The port is that of the setting
``port`` of that component, or any; ``activePort`` says which it is. A port that components were told stays open until
the runtime stops, also when another one is used from then on; and the runtime takes the last one again when it starts.

Bus interface ``aws_iot_tes``:

=================================  ==================  ==============================================================
method                             parameters          result
=================================  ==================  ==============================================================
``request_credentials``                                map: accessKeyId, secretAccessKey, sessionToken, expiration
``request_credentials_formatted``                      the same as components get it: AccessKeyId, SecretAccessKey,
                                                       Token, Expiration
``answer``                                             map: status, text; what a component is told over HTTP
``serve_port``                                         the port for components, which is open from now on
``try_endpoint``                   endpoint,           nil: there are credentials to be had there, with the role alias
                                   role_alias?         given or configured. Nothing is kept
``configuration_changed``          key_path            nil; for the configuration daemon
``mqtt_connected``                 session_present,    nil; for the MQTT daemon: AWS can be reached again
                                   first
=================================  ==================  ==============================================================

Errors: CONFIG the device is not provisioned, or its certificate or key cannot be used; REMOTE AWS refuses; NOCONN it
cannot be reached; TIMEOUT no answer within 30 s; those of ``try_endpoint`` are REMOTE, and begin with the word
CREDENTIAL_ENDPOINT_AUTH_FAILURE or CREDENTIAL_ENDPOINT_SERVER_ERROR and a colon. ``answer`` has only TIMEOUT.
``serve_port``: FAILURE when no port can be had, RETRY when the configuration cannot be read.
"""
