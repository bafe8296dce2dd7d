"""The OpenRC host: the supervisor of the process host as a service of OpenRC, and every component as another.

OpenRC has no readiness protocol, no socket activation, no restart policy of ours and no bus to ask. So ``ggld`` does
here what it does everywhere, as the service ``greengrass-lite`` under ``supervise-daemon``, which starts it again when
it was killed. For ``rc-status`` and ``rc-service`` each component is a service ``ggl.<component>`` as well: its script
asks the runtime, by ``ggl``, and the runtime tells OpenRC what became of the component, whoever wanted it
(``services``). Logs are the files of the process host, health comes from ``gg_host``.
"""
