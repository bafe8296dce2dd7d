# fish completion for ggl. Made from the command tree by `python -m gglcli.generate`; do not edit.

function __ggl_words
    # The words typed so far that are no options.
    set -l is_value 0
    for word in (commandline -opc)[2..]
        if test $is_value = 1
            set is_value 0
            continue
        end
        switch $word
            case --root
                set is_value 1
            case '-*'
            case '*'
                echo $word
        end
    end
end

function __ggl_at
    # Whether exactly these words, and possibly arguments, have been typed.
    set -l words (__ggl_words)
    test (count $words) -ge (count $argv); or return 1
    for index in (seq (count $argv))
        test "$words[$index]" = "$argv[$index]"; or return 1
    end
end

function __ggl_next
    # Whether a subcommand of these words comes next.
    set -l words (__ggl_words)
    test (count $words) -eq (count $argv); and __ggl_at $argv
end

function __ggl_values
    set -l words (commandline -opc)
    set -l root_option
    if set -l index (contains -i -- --root $words)
        set root_option --root $words[(math $index + 1)]
    end
    ggl complete $argv[1] (commandline -ct) $root_option 2>/dev/null
end

complete -c ggl -f
complete -c ggl -s h -l help -d 'Show the help.'
complete -c ggl -l root -r -a '(__fish_complete_directories)' -d 'Work on the runtime whose state is in DIR (else GGL_ROOT, else the default of this user).'
complete -c ggl -l json -d 'Write JSON: one document, or one a line for a stream.'
complete -c ggl -n '__ggl_next' -a up -d 'Start the runtime, and the components that were deployed'
complete -c ggl -n '__ggl_next' -a down -d 'Stop the components in order, then the daemons and the runtime itself'
complete -c ggl -n '__ggl_next' -a status -d 'Show how the runtime, its daemons and its components are'
complete -c ggl -n '__ggl_next' -a doctor -d 'Look for what keeps this device from working, and say what to do about it'
complete -c ggl -n '__ggl_next' -a deploy -d 'Deploy components from local files, and look at deployments'
complete -c ggl -n '__ggl_next' -a rollback -d 'Bring back an earlier generation: components, versions and configuration as a deployment left them'
complete -c ggl -n '__ggl_next' -a component -d 'List, inspect, start, stop and remove components'
complete -c ggl -n '__ggl_next' -a recovery -d 'Look at recoveries: what was done after a component or a daemon could not be kept running'
complete -c ggl -n '__ggl_next' -a config -d 'Read, change and watch the configuration'
complete -c ggl -n '__ggl_next' -a logs -d 'Show the logs of components and daemons, merged in order of time'
complete -c ggl -n '__ggl_next' -a pubsub -d 'Publish messages to the components of this device, and see what they publish'
complete -c ggl -n '__ggl_next' -a mqtt -d 'Publish and subscribe to AWS IoT Core over the device\'s connection'
complete -c ggl -n '__ggl_next' -a ipc -d 'Look on while components use the runtime through Greengrass IPC'
complete -c ggl -n '__ggl_next' -a bus -d 'Talk to the daemons over the databus (for engineers)'
complete -c ggl -n '__ggl_next' -a install -d 'Install the runtime on this device as services of systemd, or of OpenRC, and start it'
complete -c ggl -n '__ggl_next' -a uninstall -d 'Stop the runtime of this device, and remove its services'
complete -c ggl -n '__ggl_next' -a version -d 'Show the version of ggl, and of the Greengrass nucleus it behaves like'
complete -c ggl -n '__ggl_at up' -s F -l foreground -d 'Stay in the foreground, for a container or a service manager.'
complete -c ggl -n '__ggl_at up' -l systemd -d 'Install the runtime as services of this device before, as \'ggl install\'.'
complete -c ggl -n '__ggl_at up' -s w -l wait -d 'Wait until every component is RUNNING, FINISHED or BROKEN.'
complete -c ggl -n '__ggl_at up' -l timeout -r -a '(__ggl_values SECONDS)' -d 'How long the runtime may take to be ready.'
complete -c ggl -n '__ggl_at down' -l timeout -r -a '(__ggl_values SECONDS)' -d 'After this, what still runs is killed.'
complete -c ggl -n '__ggl_at status' -s w -l watch -d 'Keep showing it, until Ctrl-C.'
complete -c ggl -n '__ggl_at doctor' -l offline -d 'Use no network.'
complete -c ggl -n '__ggl_at doctor' -l list -d 'List the checks and run none.'
complete -c ggl -n '__ggl_at doctor' -a '(__ggl_values CHECK)'
complete -c ggl -n '__ggl_next deploy' -a local -d 'Deploy components from this machine, and wait until they are up'
complete -c ggl -n '__ggl_next deploy' -a file -d 'Deploy what a deployment document says, as if the cloud had sent it'
complete -c ggl -n '__ggl_next deploy' -a list -d 'List the deployments, newest last'
complete -c ggl -n '__ggl_next deploy' -a show -d 'Show one deployment: what it is for, how far it is, and why it failed'
complete -c ggl -n '__ggl_next deploy' -a wait -d 'Follow a deployment until it is over'
complete -c ggl -n '__ggl_next deploy' -a cancel -d 'Cancel a deployment that waits, or that has not begun to change anything'
complete -c ggl -n '__ggl_at deploy local' -s r -l recipe-dir -r -a '(__fish_complete_directories)' -d 'Folder with recipes.'
complete -c ggl -n '__ggl_at deploy local' -s a -l artifact-dir -r -a '(__fish_complete_directories)' -d 'Folder with COMPONENT/VERSION/files.'
complete -c ggl -n '__ggl_at deploy local' -s c -l add-component -r -d 'Add this component (repeatable).'
complete -c ggl -n '__ggl_at deploy local' -l remove -r -a '(__ggl_values COMPONENT)' -d 'Remove this component (repeatable).'
complete -c ggl -n '__ggl_at deploy local' -l config -r -F -d 'Configuration, as JSON or YAML in a file or given here: {COMPONENT: {MERGE: {...}, RESET: [...]}}, {COMPONENT: {...}}, or for a single component the values themselves.'
complete -c ggl -n '__ggl_at deploy local' -l run-with -r -d 'Run the component as this user (repeatable); for a single component USER[:GROUP] will do.'
complete -c ggl -n '__ggl_at deploy local' -l system-limits -r -F -d 'Limits, as JSON or YAML in a file or given here: {COMPONENT: {memory: KILOBYTES, cpus: NUMBER}}, or for a single component {memory, cpus}.'
complete -c ggl -n '__ggl_at deploy local' -l group -r -a '(__ggl_values GROUP)' -d 'Deploy to this group of components.'
complete -c ggl -n '__ggl_at deploy local' -l policy -x -a 'rollback do-nothing' -d 'What to do if the deployment fails: go back to what ran before, or leave things as they are then (do-nothing, if not given).'
complete -c ggl -n '__ggl_at deploy local' -l rollback -d 'Short for --policy rollback.'
complete -c ggl -n '__ggl_at deploy local' -l no-build -d 'Use what is in greengrass-build/ of a GDK project as it is.'
complete -c ggl -n '__ggl_at deploy local' -l dry-run -d 'Show what would change, and change nothing.'
complete -c ggl -n '__ggl_at deploy local' -s w -l watch -d 'Deploy again whenever a file is saved, until Ctrl-C.'
complete -c ggl -n '__ggl_at deploy local' -l no-wait -d 'Do not wait for the outcome.'
complete -c ggl -n '__ggl_at deploy local' -l timeout -r -a '(__ggl_values SECONDS)' -d 'Time for the components to be up (600 if not given); after it the deployment fails.'
complete -c ggl -n '__ggl_at deploy local' -F
complete -c ggl -n '__ggl_at deploy file' -s r -l recipe-dir -r -a '(__fish_complete_directories)' -d 'Folder with recipes.'
complete -c ggl -n '__ggl_at deploy file' -s a -l artifact-dir -r -a '(__fish_complete_directories)' -d 'Folder with COMPONENT/VERSION/files.'
complete -c ggl -n '__ggl_at deploy file' -l dry-run -d 'Show what would change, and change nothing.'
complete -c ggl -n '__ggl_at deploy file' -l no-wait -d 'Do not wait for the outcome.'
complete -c ggl -n '__ggl_at deploy file' -l timeout -r -a '(__ggl_values SECONDS)' -d 'Time for the components to be up (600 if not given); after it the deployment fails.'
complete -c ggl -n '__ggl_at deploy file' -F
complete -c ggl -n '__ggl_at deploy list' -s n -l limit -r -a '(__ggl_values N)' -d 'Only the last N.'
complete -c ggl -n '__ggl_at deploy show' -a '(__ggl_values DEPLOYMENT)'
complete -c ggl -n '__ggl_at deploy wait' -l timeout -r -a '(__ggl_values SECONDS)' -d 'Wait no longer than this; the deployment goes on.'
complete -c ggl -n '__ggl_at deploy wait' -a '(__ggl_values DEPLOYMENT)'
complete -c ggl -n '__ggl_at deploy cancel' -a '(__ggl_values DEPLOYMENT)'
complete -c ggl -n '__ggl_at rollback' -l to -r -a '(__ggl_values GENERATION)' -d 'Go back, or forward again, to this generation.'
complete -c ggl -n '__ggl_at rollback' -l component -r -a '(__ggl_values COMPONENT)' -d 'Only this component; everything else stays as it is.'
complete -c ggl -n '__ggl_at rollback' -s l -l list -d 'List the generations there are.'
complete -c ggl -n '__ggl_at rollback' -l dry-run -d 'Show what would change, and change nothing.'
complete -c ggl -n '__ggl_at rollback' -l no-wait -d 'Do not wait for the outcome.'
complete -c ggl -n '__ggl_at rollback' -l timeout -r -a '(__ggl_values SECONDS)' -d 'Time for the components to be up (600 if not given); after it the rollback fails.'
complete -c ggl -n '__ggl_next component' -a list -d 'List the components with their versions and states'
complete -c ggl -n '__ggl_next component' -a show -d 'Show everything about one component: state, limits, dependencies, dependents, configuration, places on disk'
complete -c ggl -n '__ggl_next component' -a policy -d 'Show what a component may do: its access control policies, what is wrong with them, and what was refused'
complete -c ggl -n '__ggl_next component' -a unit -d 'Show the units of a component, in the form of systemd\'s unit files'
complete -c ggl -n '__ggl_next component' -a start -d 'Start components, also BROKEN ones: earlier failures are forgotten'
complete -c ggl -n '__ggl_next component' -a stop -d 'Stop components: their shutdown scripts run, then no process of theirs is left'
complete -c ggl -n '__ggl_next component' -a restart -d 'Stop and start components, also BROKEN ones: earlier failures are forgotten'
complete -c ggl -n '__ggl_next component' -a pause -d 'Freeze components: every process of theirs stands still, and uses no processor, until they are resumed'
complete -c ggl -n '__ggl_next component' -a resume -d 'Let paused components go on where they were'
complete -c ggl -n '__ggl_next component' -a remove -d 'Remove components that were deployed locally, by a deployment without them'
complete -c ggl -n '__ggl_at component list' -l tree -d 'Show what depends on what.'
complete -c ggl -n '__ggl_at component show' -a '(__ggl_values COMPONENT)'
complete -c ggl -n '__ggl_at component policy' -l check -r -a '(__ggl_values OPERATION)' -d 'Tell whether this operation is allowed, and why.'
complete -c ggl -n '__ggl_at component policy' -a '(__ggl_values COMPONENT)'
complete -c ggl -n '__ggl_at component policy' -a '(__ggl_values RESOURCE)'
complete -c ggl -n '__ggl_at component unit' -a '(__ggl_values COMPONENT)'
complete -c ggl -n '__ggl_at component start' -l no-wait -d 'Do not wait for the outcome.'
complete -c ggl -n '__ggl_at component start' -l timeout -r -a '(__ggl_values SECONDS)' -d 'How long to wait for the outcome.'
complete -c ggl -n '__ggl_at component start' -a '(__ggl_values COMPONENT)'
complete -c ggl -n '__ggl_at component stop' -l timeout -r -a '(__ggl_values SECONDS)' -d 'How long to wait for the outcome.'
complete -c ggl -n '__ggl_at component stop' -a '(__ggl_values COMPONENT)'
complete -c ggl -n '__ggl_at component restart' -l no-wait -d 'Do not wait for the outcome.'
complete -c ggl -n '__ggl_at component restart' -l timeout -r -a '(__ggl_values SECONDS)' -d 'How long to wait for the outcome.'
complete -c ggl -n '__ggl_at component restart' -a '(__ggl_values COMPONENT)'
complete -c ggl -n '__ggl_at component pause' -a '(__ggl_values COMPONENT)'
complete -c ggl -n '__ggl_at component resume' -a '(__ggl_values COMPONENT)'
complete -c ggl -n '__ggl_at component remove' -l group -r -a '(__ggl_values GROUP)' -d 'Group they were deployed to.'
complete -c ggl -n '__ggl_at component remove' -l no-wait -d 'Do not wait for the outcome.'
complete -c ggl -n '__ggl_at component remove' -l timeout -r -a '(__ggl_values SECONDS)' -d 'How long to wait for the end of the deployment.'
complete -c ggl -n '__ggl_at component remove' -a '(__ggl_values COMPONENT)'
complete -c ggl -n '__ggl_next recovery' -a list -d 'List the recoveries under way and the last ones that are over, newest last'
complete -c ggl -n '__ggl_at recovery list' -s n -l limit -r -a '(__ggl_values N)' -d 'Of those over, the last N.'
complete -c ggl -n '__ggl_next config' -a get -d 'Show a value, or everything below a key'
complete -c ggl -n '__ggl_next config' -a list -d 'List the names directly below a key'
complete -c ggl -n '__ggl_next config' -a set -d 'Write a value'
complete -c ggl -n '__ggl_next config' -a unset -d 'Remove a key and everything below it'
complete -c ggl -n '__ggl_next config' -a watch -d 'Print every change at or below a key, with the new value, until Ctrl-C'
complete -c ggl -n '__ggl_next config' -a diff -d 'Compare two configurations'
complete -c ggl -n '__ggl_next config' -a dump -d 'Write the configuration into a file'
complete -c ggl -n '__ggl_next config' -a load -d 'Merge a file into the configuration'
complete -c ggl -n '__ggl_next config' -a backup -d 'Make a complete copy of the configuration database'
complete -c ggl -n '__ggl_next config' -a restore -d 'Put the configuration tree of a backup back'
complete -c ggl -n '__ggl_next config' -a migrate -d 'Take over the configuration of another nucleus'
complete -c ggl -n '__ggl_at config get' -l timestamps -d 'Show the time of each value (milliseconds since the epoch).'
complete -c ggl -n '__ggl_at config get' -a '(__ggl_values KEY)'
complete -c ggl -n '__ggl_at config list' -a '(__ggl_values KEY)'
complete -c ggl -n '__ggl_at config set' -l string -d 'Take VALUE as a text even if it is valid JSON.'
complete -c ggl -n '__ggl_at config set' -l timestamp -r -a '(__ggl_values MS)' -d 'Time of the value in milliseconds since the epoch (now). An older value never wins.'
complete -c ggl -n '__ggl_at config set' -a '(__ggl_values KEY)'
complete -c ggl -n '__ggl_at config set' -a '(__ggl_values VALUE)'
complete -c ggl -n '__ggl_at config unset' -a '(__ggl_values KEY)'
complete -c ggl -n '__ggl_at config watch' -s n -l count -r -a '(__ggl_values N)' -d 'End after N changes.'
complete -c ggl -n '__ggl_at config watch' -l timeout -r -a '(__ggl_values SECONDS)' -d 'End after this time without a change.'
complete -c ggl -n '__ggl_at config watch' -a '(__ggl_values KEY)'
complete -c ggl -n '__ggl_at config diff' -s g -l generation -r -a '(__ggl_values GENERATION)' -d 'Compare with what this generation deployed.'
complete -c ggl -n '__ggl_at config diff' -s k -l key -r -a '(__ggl_values KEY)' -d 'Compare only this component, or what is below this key.'
complete -c ggl -n '__ggl_at config diff' -F
complete -c ggl -n '__ggl_at config dump' -s k -l key -r -a '(__ggl_values KEY)' -d 'Only this component, or what is below this key.'
complete -c ggl -n '__ggl_at config dump' -l format -x -a 'yaml json' -d 'How to write it (json for a FILE.json, else yaml).'
complete -c ggl -n '__ggl_at config dump' -l timestamps -d 'Write each value as {"v": value, "t": milliseconds}.'
complete -c ggl -n '__ggl_at config dump' -l force -d 'Replace the file if it exists.'
complete -c ggl -n '__ggl_at config dump' -F
complete -c ggl -n '__ggl_at config load' -l replace -r -a '(__ggl_values KEY)' -d 'Make this key exactly what FILE says (repeatable).'
complete -c ggl -n '__ggl_at config load' -l dry-run -d 'Show what would change, and change nothing.'
complete -c ggl -n '__ggl_at config load' -F
complete -c ggl -n '__ggl_at config backup' -l force -d 'Replace the file if it exists.'
complete -c ggl -n '__ggl_at config backup' -F
complete -c ggl -n '__ggl_at config restore' -l dry-run -d 'Show what would change, and change nothing.'
complete -c ggl -n '__ggl_at config restore' -F
complete -c ggl -n '__ggl_at config migrate' -l dry-run -d 'Show what would change, and change nothing.'
complete -c ggl -n '__ggl_at config migrate' -F
complete -c ggl -n '__ggl_at logs' -s f -l follow -d 'Go on with what is written from now on.'
complete -c ggl -n '__ggl_at logs' -s n -l lines -r -a '(__ggl_values N)' -d 'Show the last N records, or \'all\' (200; 10 with -f; all with a filter).'
complete -c ggl -n '__ggl_at logs' -l since -r -a '(__ggl_values TIME)' -d 'Nothing older: an age (10m, 2h30m, 1d) or an ISO time (UTC).'
complete -c ggl -n '__ggl_at logs' -l until -r -a '(__ggl_values TIME)' -d 'Nothing newer.'
complete -c ggl -n '__ggl_at logs' -s l -l level -x -a 'DEBUG INFO WARN ERROR FATAL' -d 'This level and more severe ones.'
complete -c ggl -n '__ggl_at logs' -s g -l grep -r -a '(__ggl_values REGEX)' -d 'Only messages that match this regular expression.'
complete -c ggl -n '__ggl_at logs' -l trail -r -a '(__ggl_values ID)' -d 'Only what belongs to this request, in every daemon it touched.'
complete -c ggl -n '__ggl_at logs' -a '(__ggl_values NAME)'
complete -c ggl -n '__ggl_next pubsub' -a pub -d 'Publish a message, and tell how many subscribers it was handed to'
complete -c ggl -n '__ggl_next pubsub' -a sub -d 'Print messages as they are published, until Ctrl-C'
complete -c ggl -n '__ggl_at pubsub pub' -s f -l file -r -F -d 'Publish what this file holds, byte for byte.'
complete -c ggl -n '__ggl_at pubsub pub' -l as -x -a 'auto json bytes' -d 'What to publish: a JSON object as JSON and all else as bytes, or always the one or the other.'
complete -c ggl -n '__ggl_at pubsub pub' -l lines -d 'Each line of the input is a message, published as it comes.'
complete -c ggl -n '__ggl_at pubsub pub' -a '(__ggl_values TOPIC)'
complete -c ggl -n '__ggl_at pubsub pub' -a '(__ggl_values MESSAGE)'
complete -c ggl -n '__ggl_at pubsub sub' -s n -l count -r -a '(__ggl_values N)' -d 'End after N messages.'
complete -c ggl -n '__ggl_at pubsub sub' -l timeout -r -a '(__ggl_values SECONDS)' -d 'End after this time in any case.'
complete -c ggl -n '__ggl_at pubsub sub' -s r -l raw -d 'Print the content alone: JSON, or the bytes, and a line feed.'
complete -c ggl -n '__ggl_at pubsub sub' -a '(__ggl_values FILTER)'
complete -c ggl -n '__ggl_next mqtt' -a pub -d 'Publish a message, and wait until the broker has it'
complete -c ggl -n '__ggl_next mqtt' -a sub -d 'Print messages that come from AWS IoT Core, until Ctrl-C'
complete -c ggl -n '__ggl_next mqtt' -a status -d 'Show the connection to AWS IoT Core: since when, as whom, what waits to be sent'
complete -c ggl -n '__ggl_at mqtt pub' -s f -l file -r -F -d 'Publish what this file holds, byte for byte.'
complete -c ggl -n '__ggl_at mqtt pub' -l qos -r -d 'At most once, or at least once.'
complete -c ggl -n '__ggl_at mqtt pub' -l retain -d 'The broker keeps it for who subscribes later.'
complete -c ggl -n '__ggl_at mqtt pub' -l lines -d 'Each line of the input is a message, published as it comes.'
complete -c ggl -n '__ggl_at mqtt pub' -s p -l property -r -d 'A user property of MQTT 5; may be repeated.'
complete -c ggl -n '__ggl_at mqtt pub' -l content-type -r -a '(__ggl_values TYPE)' -d 'What the message is, for its receivers.'
complete -c ggl -n '__ggl_at mqtt pub' -l timeout -r -a '(__ggl_values SECONDS)' -d 'How long the broker may take for its answer.'
complete -c ggl -n '__ggl_at mqtt pub' -a '(__ggl_values TOPIC)'
complete -c ggl -n '__ggl_at mqtt pub' -a '(__ggl_values MESSAGE)'
complete -c ggl -n '__ggl_at mqtt sub' -s n -l count -r -a '(__ggl_values N)' -d 'End after N messages.'
complete -c ggl -n '__ggl_at mqtt sub' -l timeout -r -a '(__ggl_values SECONDS)' -d 'End after this time in any case.'
complete -c ggl -n '__ggl_at mqtt sub' -l qos -r -d 'At most once, or at least once.'
complete -c ggl -n '__ggl_at mqtt sub' -s r -l raw -d 'Print the content alone: the bytes, and a line feed.'
complete -c ggl -n '__ggl_at mqtt sub' -a '(__ggl_values FILTER)'
complete -c ggl -n '__ggl_next ipc' -a trace -d 'Print what components ask the runtime for, as it is answered, until Ctrl-C'
complete -c ggl -n '__ggl_next ipc' -a connections -d 'List the connections of components: who, since when, with which open streams'
complete -c ggl -n '__ggl_next ipc' -a routes -d 'List the operations and who serves them: the interface on the databus, and its daemon or component'
complete -c ggl -n '__ggl_at ipc trace' -s c -l component -r -a '(__ggl_values COMPONENT)' -d 'Only of this component, or client like greengrass-cli#user-0.'
complete -c ggl -n '__ggl_at ipc trace' -s o -l operation -r -a '(__ggl_values OPERATION)' -d 'Only of this operation.'
complete -c ggl -n '__ggl_at ipc trace' -s e -l errors -d 'Only what was refused or failed.'
complete -c ggl -n '__ggl_at ipc trace' -l no-events -d 'Leave out what subscriptions deliver.'
complete -c ggl -n '__ggl_at ipc trace' -s n -l count -r -a '(__ggl_values N)' -d 'End after N lines.'
complete -c ggl -n '__ggl_at ipc trace' -l timeout -r -a '(__ggl_values SECONDS)' -d 'End after this time in any case.'
complete -c ggl -n '__ggl_at ipc trace' -s s -l summary -d 'Show a table by component and operation in place of the calls.'
complete -c ggl -n '__ggl_next bus' -a list -d 'List the interfaces and the daemons behind them, or the methods of one interface'
complete -c ggl -n '__ggl_next bus' -a call -d 'Call a method and print its result'
complete -c ggl -n '__ggl_next bus' -a notify -d 'Send a notification: a call that is not answered, not even with an error'
complete -c ggl -n '__ggl_next bus' -a monitor -d 'Print what a streaming method yields, one JSON document a line, until Ctrl-C'
complete -c ggl -n '__ggl_at bus list' -a '(__ggl_values INTERFACE)'
complete -c ggl -n '__ggl_at bus call' -l timeout -r -a '(__ggl_values SECONDS)' -d 'How long to wait for the answer.'
complete -c ggl -n '__ggl_at bus call' -a '(__ggl_values INTERFACE)'
complete -c ggl -n '__ggl_at bus call' -a '(__ggl_values METHOD)'
complete -c ggl -n '__ggl_at bus call' -a '(__ggl_values JSON)'
complete -c ggl -n '__ggl_at bus notify' -a '(__ggl_values INTERFACE)'
complete -c ggl -n '__ggl_at bus notify' -a '(__ggl_values METHOD)'
complete -c ggl -n '__ggl_at bus notify' -a '(__ggl_values JSON)'
complete -c ggl -n '__ggl_at bus monitor' -s n -l count -r -a '(__ggl_values N)' -d 'End after N items.'
complete -c ggl -n '__ggl_at bus monitor' -l timeout -r -a '(__ggl_values SECONDS)' -d 'End after this time without an item.'
complete -c ggl -n '__ggl_at bus monitor' -a '(__ggl_values INTERFACE)'
complete -c ggl -n '__ggl_at bus monitor' -a '(__ggl_values METHOD)'
complete -c ggl -n '__ggl_at bus monitor' -a '(__ggl_values JSON)'
complete -c ggl -n '__ggl_at install' -l no-start -d 'Enable it at boot, but do not start it now.'
complete -c ggl -n '__ggl_at install' -l dry-run -d 'Show what would be done, and do nothing.'
complete -c ggl -n '__ggl_at install' -l stage -r -a '(__fish_complete_directories)' -d 'Only write the files, below DIR: for a package or the image of a device.'
complete -c ggl -n '__ggl_at install' -l unit-dir -r -F -d 'With --stage: where the units go in DIR.'
complete -c ggl -n '__ggl_at install' -l python -r -F -d 'With --stage: the Python of the device (default: this one).'
complete -c ggl -n '__ggl_at uninstall' -l purge -d 'Also remove the state with every component, the configuration, the users.'
complete -c ggl -n '__ggl_at uninstall' -s y -l yes -d 'Do not ask.'
complete -c ggl -n '__ggl_at uninstall' -l dry-run -d 'Show what would be done, and do nothing.'
