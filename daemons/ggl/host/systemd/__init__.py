"""The systemd host: components and core daemons are units of the device's own service manager.

systemd starts, stops, limits and restarts; nothing of ours needs to be resident for that. Three things make up what it
has no words for:

- *the steps* (``step``): what ``ExecStart=``, ``ExecStop=`` and ``ExecStopPost=`` of a component's unit run, as root
  and for a moment only. They evaluate ``Skipif``, get the component's environment from the runtime, become its user and
  execute its script; afterwards they run shutdown and recover, count the errors of each phase, and tell systemd to give
  up after the third in a row;
- *the records* (``records``): what the steps and the host's daemon know of a unit, until the next boot;
- *the host's daemon*, ``hostd``: serves ``gg_host`` (see ``ggl.host.process`` for its methods) by D-Bus. It writes the
  units of components, translates states, and keeps the order of dependencies: a component starts when what it needs is
  ready, and again when that was restarted. It counts the errors of which no step could tell (``untold``), and clears
  what systemd takes for a failure after an ordered stop. It leaves when nobody is connected and nothing depends on
  anything.
"""
