"""The configuration store: one tree for the runtime and its components, kept durably, with news of its changes.

State is in ``<root>/config.db`` alone; the daemon leaves when nobody is connected and is started by the next request.
A write is on the disk before it is acknowledged.

Bus interface ``gg_config``. ``key_path`` is a list of keys from the root, ``[]``; keys are found in any letter case.
Timestamps are in ms since the epoch; a write without one happens now.

====================== ================================================ ==============================================
method                 parameters                                       result
====================== ================================================ ==============================================
read                   key_path                                         the value, a map or a leaf
read_with_timestamps   key_path                                         the same; a leaf is ``{"v": value, "t": ms}``
list                   key_path                                         the keys of a map
write                  key_path, value, timestamp?                      nil; merges (see ``change``)
delete                 key_path                                         nil, also when nothing is there
transaction            operations: maps with ``op`` write, delete,      nil; all or nothing, in one commit
                       restore, put or drop, and the parameters of it
preview                operations                                       what that would change, and nothing else:
                                                                        ``[{"key_path", "from", "to"}]``, one a value;
                                                                        ``from`` or ``to`` lacks where there is none
backup                 path, overwrite?                                 nil; the file is a copy of the database then
subscribe              key_path, missing_ok?                            nil, then a stream of changed key paths
put                    table, key, value                                nil; stores a record
get                    table, key                                       its value
scan                   table, reverse?, limit?                          ``[[key, value], ...]`` by key
drop                   table, key                                       nil, also when nothing is there
====================== ================================================ ==============================================

A subscription yields the full path of each changed leaf, or of what was deleted: at or below ``key_path``, and above it
when it went with its parent. A write of the same value is no change. Subscribing to a path that does not exist is
NOENTRY, as on every nucleus, since it is mostly a spelling mistake; who means to wait for a path says ``missing_ok``.
A daemon that wants to know of a change without being there is woken by it (``woken_by`` in ``ggl.catalog``).

``restore`` (key_path, value) is an operation of transactions only: what is at ``key_path`` becomes exactly ``value``, a
tree as ``read_with_timestamps`` returns it, with those timestamps; what the tree lacks is removed, a missing path made.

Records are documents of other daemons (deployment history, queues): durable like the tree, but no part of it. They have
no timestamps and no subscriptions.

Errors: NOENTRY nothing is there; INVALID a wrong argument; RANGE a limit (see ``limits``); FAILURE the path leads
through a value, or the disk failed; NOMEM no space left; FATAL the database is damaged. After an error nothing has
changed.

IPC operations for components: GetConfiguration, UpdateConfiguration, SubscribeToConfigurationUpdate (see ``ipc``).
"""
