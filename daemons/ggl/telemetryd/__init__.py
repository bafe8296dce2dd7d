"""telemetryd: the metrics of components, added up.

A metric has a namespace (the component it is from), a name and a unit. Its values are added up for an interval of an
hour, which begins with the first value; the intervals of about a day are kept. Values reach the disk some seconds after
they came: a crash costs no more than those, and ten values cost no more than one.

Bus interface ``gg_telemetry``:

=============  =====================================  ===========================================================
method         parameters                             result
=============  =====================================  ===========================================================
``put``        namespace, metrics: a list of maps     nil; values for a namespace that is no component's
               with name, unit and value
``list``       namespace (optional)                   list of maps, by interval, namespace and name: begin (ms),
                                                      namespace, name, unit, sum, count, min, max, last and time
                                                      (ms) of the last value
``subscribe``                                         nil, then an item for each value as it comes: namespace,
                                                      name, unit, value and time (ms)
=============  =====================================  ===========================================================

Errors: INVALID a wrong argument. The IPC operation ``PutComponentMetric`` is served here as well.
"""
