# bash completion for ggl. Made from the command tree by `python -m gglcli.generate`; do not edit.

_ggl_values() {
    # Values of one kind, from the runtime if it is up; $root_option leads to it.
    "${COMP_WORDS[0]}" complete "$1" "$cur" "${root_option[@]}" 2>/dev/null
}

_ggl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local path="" position=0 word i options="" kind="" skip=0
    local -a root_option=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((skip)); then
            skip=0
            continue
        fi
        case "$word" in
            --root) root_option=(--root "${COMP_WORDS[i+1]}"); skip=1 ;;
            -*) case "$path $word" in
                "up --timeout") skip=1 ;;
                "down --timeout") skip=1 ;;
                "deploy local -r"|"deploy local --recipe-dir"|"deploy local -a"|"deploy local --artifact-dir"|"deploy local -c"|"deploy local --add-component"|"deploy local --remove"|"deploy local --config"|"deploy local --run-with"|"deploy local --system-limits"|"deploy local --group"|"deploy local --policy"|"deploy local --timeout") skip=1 ;;
                "deploy file -r"|"deploy file --recipe-dir"|"deploy file -a"|"deploy file --artifact-dir"|"deploy file --timeout") skip=1 ;;
                "deploy list -n"|"deploy list --limit") skip=1 ;;
                "deploy wait --timeout") skip=1 ;;
                "rollback --to"|"rollback --component"|"rollback --timeout") skip=1 ;;
                "component policy --check") skip=1 ;;
                "component start --timeout") skip=1 ;;
                "component stop --timeout") skip=1 ;;
                "component restart --timeout") skip=1 ;;
                "component remove --group"|"component remove --timeout") skip=1 ;;
                "recovery list -n"|"recovery list --limit") skip=1 ;;
                "config set --timestamp") skip=1 ;;
                "config watch -n"|"config watch --count"|"config watch --timeout") skip=1 ;;
                "config diff -g"|"config diff --generation"|"config diff -k"|"config diff --key") skip=1 ;;
                "config dump -k"|"config dump --key"|"config dump --format") skip=1 ;;
                "config load --replace") skip=1 ;;
                "logs -n"|"logs --lines"|"logs --since"|"logs --until"|"logs -l"|"logs --level"|"logs -g"|"logs --grep"|"logs --trail") skip=1 ;;
                "pubsub pub -f"|"pubsub pub --file"|"pubsub pub --as") skip=1 ;;
                "pubsub sub -n"|"pubsub sub --count"|"pubsub sub --timeout") skip=1 ;;
                "mqtt pub -f"|"mqtt pub --file"|"mqtt pub --qos"|"mqtt pub -p"|"mqtt pub --property"|"mqtt pub --content-type"|"mqtt pub --timeout") skip=1 ;;
                "mqtt sub -n"|"mqtt sub --count"|"mqtt sub --timeout"|"mqtt sub --qos") skip=1 ;;
                "ipc trace -c"|"ipc trace --component"|"ipc trace -o"|"ipc trace --operation"|"ipc trace -n"|"ipc trace --count"|"ipc trace --timeout") skip=1 ;;
                "bus call --timeout") skip=1 ;;
                "bus monitor -n"|"bus monitor --count"|"bus monitor --timeout") skip=1 ;;
                "install --stage"|"install --unit-dir"|"install --python") skip=1 ;;
                esac ;;
            *) case "$path $word" in
                " up") path="up" ;;
                " down") path="down" ;;
                " status") path="status" ;;
                " doctor") path="doctor" ;;
                " deploy") path="deploy" ;;
                " rollback") path="rollback" ;;
                " component") path="component" ;;
                " recovery") path="recovery" ;;
                " config") path="config" ;;
                " logs") path="logs" ;;
                " pubsub") path="pubsub" ;;
                " mqtt") path="mqtt" ;;
                " ipc") path="ipc" ;;
                " bus") path="bus" ;;
                " install") path="install" ;;
                " uninstall") path="uninstall" ;;
                " version") path="version" ;;
                "deploy local") path="deploy local" ;;
                "deploy file") path="deploy file" ;;
                "deploy list") path="deploy list" ;;
                "deploy show") path="deploy show" ;;
                "deploy wait") path="deploy wait" ;;
                "deploy cancel") path="deploy cancel" ;;
                "component list") path="component list" ;;
                "component show") path="component show" ;;
                "component policy") path="component policy" ;;
                "component unit") path="component unit" ;;
                "component start") path="component start" ;;
                "component stop") path="component stop" ;;
                "component restart") path="component restart" ;;
                "component pause") path="component pause" ;;
                "component resume") path="component resume" ;;
                "component remove") path="component remove" ;;
                "recovery list") path="recovery list" ;;
                "config get") path="config get" ;;
                "config list") path="config list" ;;
                "config set") path="config set" ;;
                "config unset") path="config unset" ;;
                "config watch") path="config watch" ;;
                "config diff") path="config diff" ;;
                "config dump") path="config dump" ;;
                "config load") path="config load" ;;
                "config backup") path="config backup" ;;
                "config restore") path="config restore" ;;
                "config migrate") path="config migrate" ;;
                "pubsub pub") path="pubsub pub" ;;
                "pubsub sub") path="pubsub sub" ;;
                "mqtt pub") path="mqtt pub" ;;
                "mqtt sub") path="mqtt sub" ;;
                "mqtt status") path="mqtt status" ;;
                "ipc trace") path="ipc trace" ;;
                "ipc connections") path="ipc connections" ;;
                "ipc routes") path="ipc routes" ;;
                "bus list") path="bus list" ;;
                "bus call") path="bus call" ;;
                "bus notify") path="bus notify" ;;
                "bus monitor") path="bus monitor" ;;
                *) ((position++)) ;;
                esac ;;
        esac
    done
    case "$prev" in
        --root) kind=@folder ;;
    esac
    case "$path" in
    "")
        [[ -z $kind && $cur != -* ]] && kind="=up down status doctor deploy rollback component recovery config logs pubsub mqtt ipc bus install uninstall version"
        ;;
    "up")
        options="-F --foreground --systemd -w --wait --timeout"
        case "$prev" in
            --timeout) kind="SECONDS" ;;
        esac
        ;;
    "down")
        options="--timeout"
        case "$prev" in
            --timeout) kind="SECONDS" ;;
        esac
        ;;
    "status")
        options="-w --watch"
        ;;
    "doctor")
        options="--offline --list"
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="CHECK" ;;
            esac
        fi
        ;;
    "deploy")
        [[ -z $kind && $cur != -* ]] && kind="=local file list show wait cancel"
        ;;
    "deploy local")
        options="-r --recipe-dir -a --artifact-dir -c --add-component --remove --config --run-with --system-limits --group --policy --rollback --no-build --dry-run -w --watch --no-wait --timeout"
        case "$prev" in
            -r|--recipe-dir) kind="@folder" ;;
            -a|--artifact-dir) kind="@folder" ;;
            -c|--add-component) kind="NAME=VERSION" ;;
            --remove) kind="COMPONENT" ;;
            --config) kind="@file" ;;
            --run-with) kind="COMPONENT:posixUser=USER[:GROUP]" ;;
            --system-limits) kind="@file" ;;
            --group) kind="GROUP" ;;
            --policy) kind="=rollback do-nothing" ;;
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="@file" ;;
            esac
        fi
        ;;
    "deploy file")
        options="-r --recipe-dir -a --artifact-dir --dry-run --no-wait --timeout"
        case "$prev" in
            -r|--recipe-dir) kind="@folder" ;;
            -a|--artifact-dir) kind="@folder" ;;
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="@file" ;;
            esac
        fi
        ;;
    "deploy list")
        options="-n --limit"
        case "$prev" in
            -n|--limit) kind="N" ;;
        esac
        ;;
    "deploy show")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="DEPLOYMENT" ;;
            esac
        fi
        ;;
    "deploy wait")
        options="--timeout"
        case "$prev" in
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="DEPLOYMENT" ;;
            esac
        fi
        ;;
    "deploy cancel")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="DEPLOYMENT" ;;
            esac
        fi
        ;;
    "rollback")
        options="--to --component -l --list --dry-run --no-wait --timeout"
        case "$prev" in
            --to) kind="GENERATION" ;;
            --component) kind="COMPONENT" ;;
            --timeout) kind="SECONDS" ;;
        esac
        ;;
    "component")
        [[ -z $kind && $cur != -* ]] && kind="=list show policy unit start stop restart pause resume remove"
        ;;
    "component list")
        options="--tree"
        ;;
    "component show")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="COMPONENT" ;;
            esac
        fi
        ;;
    "component policy")
        options="--check"
        case "$prev" in
            --check) kind="OPERATION" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="COMPONENT" ;;
                1) kind="RESOURCE" ;;
            esac
        fi
        ;;
    "component unit")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="COMPONENT" ;;
            esac
        fi
        ;;
    "component start")
        options="--no-wait --timeout"
        case "$prev" in
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="COMPONENT" ;;
            esac
        fi
        ;;
    "component stop")
        options="--timeout"
        case "$prev" in
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="COMPONENT" ;;
            esac
        fi
        ;;
    "component restart")
        options="--no-wait --timeout"
        case "$prev" in
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="COMPONENT" ;;
            esac
        fi
        ;;
    "component pause")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="COMPONENT" ;;
            esac
        fi
        ;;
    "component resume")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="COMPONENT" ;;
            esac
        fi
        ;;
    "component remove")
        options="--group --no-wait --timeout"
        case "$prev" in
            --group) kind="GROUP" ;;
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="COMPONENT" ;;
            esac
        fi
        ;;
    "recovery")
        [[ -z $kind && $cur != -* ]] && kind="=list"
        ;;
    "recovery list")
        options="-n --limit"
        case "$prev" in
            -n|--limit) kind="N" ;;
        esac
        ;;
    "config")
        [[ -z $kind && $cur != -* ]] && kind="=get list set unset watch diff dump load backup restore migrate"
        ;;
    "config get")
        options="--timestamps"
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="KEY" ;;
            esac
        fi
        ;;
    "config list")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="KEY" ;;
            esac
        fi
        ;;
    "config set")
        options="--string --timestamp"
        case "$prev" in
            --timestamp) kind="MS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="KEY" ;;
                1) kind="VALUE" ;;
            esac
        fi
        ;;
    "config unset")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="KEY" ;;
            esac
        fi
        ;;
    "config watch")
        options="-n --count --timeout"
        case "$prev" in
            -n|--count) kind="N" ;;
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="KEY" ;;
            esac
        fi
        ;;
    "config diff")
        options="-g --generation -k --key"
        case "$prev" in
            -g|--generation) kind="GENERATION" ;;
            -k|--key) kind="KEY" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="@file" ;;
            esac
        fi
        ;;
    "config dump")
        options="-k --key --format --timestamps --force"
        case "$prev" in
            -k|--key) kind="KEY" ;;
            --format) kind="=yaml json" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="@file" ;;
            esac
        fi
        ;;
    "config load")
        options="--replace --dry-run"
        case "$prev" in
            --replace) kind="KEY" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="@file" ;;
            esac
        fi
        ;;
    "config backup")
        options="--force"
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="@file" ;;
            esac
        fi
        ;;
    "config restore")
        options="--dry-run"
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="@file" ;;
            esac
        fi
        ;;
    "config migrate")
        options="--dry-run"
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="@file" ;;
            esac
        fi
        ;;
    "logs")
        options="-f --follow -n --lines --since --until -l --level -g --grep --trail"
        case "$prev" in
            -n|--lines) kind="N" ;;
            --since) kind="TIME" ;;
            --until) kind="TIME" ;;
            -l|--level) kind="=DEBUG INFO WARN ERROR FATAL" ;;
            -g|--grep) kind="REGEX" ;;
            --trail) kind="ID" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="NAME" ;;
            esac
        fi
        ;;
    "pubsub")
        [[ -z $kind && $cur != -* ]] && kind="=pub sub"
        ;;
    "pubsub pub")
        options="-f --file --as --lines"
        case "$prev" in
            -f|--file) kind="@file" ;;
            --as) kind="=auto json bytes" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="TOPIC" ;;
                1) kind="MESSAGE" ;;
            esac
        fi
        ;;
    "pubsub sub")
        options="-n --count --timeout -r --raw"
        case "$prev" in
            -n|--count) kind="N" ;;
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="FILTER" ;;
            esac
        fi
        ;;
    "mqtt")
        [[ -z $kind && $cur != -* ]] && kind="=pub sub status"
        ;;
    "mqtt pub")
        options="-f --file --qos --retain --lines -p --property --content-type --timeout"
        case "$prev" in
            -f|--file) kind="@file" ;;
            --qos) kind="0|1" ;;
            -p|--property) kind="NAME=VALUE" ;;
            --content-type) kind="TYPE" ;;
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="TOPIC" ;;
                1) kind="MESSAGE" ;;
            esac
        fi
        ;;
    "mqtt sub")
        options="-n --count --timeout --qos -r --raw"
        case "$prev" in
            -n|--count) kind="N" ;;
            --timeout) kind="SECONDS" ;;
            --qos) kind="0|1" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                *) kind="FILTER" ;;
            esac
        fi
        ;;
    "mqtt status")
        ;;
    "ipc")
        [[ -z $kind && $cur != -* ]] && kind="=trace connections routes"
        ;;
    "ipc trace")
        options="-c --component -o --operation -e --errors --no-events -n --count --timeout -s --summary"
        case "$prev" in
            -c|--component) kind="COMPONENT" ;;
            -o|--operation) kind="OPERATION" ;;
            -n|--count) kind="N" ;;
            --timeout) kind="SECONDS" ;;
        esac
        ;;
    "ipc connections")
        ;;
    "ipc routes")
        ;;
    "bus")
        [[ -z $kind && $cur != -* ]] && kind="=list call notify monitor"
        ;;
    "bus list")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="INTERFACE" ;;
            esac
        fi
        ;;
    "bus call")
        options="--timeout"
        case "$prev" in
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="INTERFACE" ;;
                1) kind="METHOD" ;;
                2) kind="JSON" ;;
            esac
        fi
        ;;
    "bus notify")
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="INTERFACE" ;;
                1) kind="METHOD" ;;
                2) kind="JSON" ;;
            esac
        fi
        ;;
    "bus monitor")
        options="-n --count --timeout"
        case "$prev" in
            -n|--count) kind="N" ;;
            --timeout) kind="SECONDS" ;;
        esac
        if [[ -z $kind && $cur != -* ]]; then
            case "$position" in
                0) kind="INTERFACE" ;;
                1) kind="METHOD" ;;
                2) kind="JSON" ;;
            esac
        fi
        ;;
    "install")
        options="--no-start --dry-run --stage --unit-dir --python"
        case "$prev" in
            --stage) kind="@folder" ;;
            --unit-dir) kind="@file" ;;
            --python) kind="@file" ;;
        esac
        ;;
    "uninstall")
        options="--purge -y --yes --dry-run"
        ;;
    "version")
        ;;
    esac
    if [[ -z $kind && $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options --root --json --help -h" -- "$cur"))
        return
    fi
    case "$kind" in
        "") ;;
        @file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
        @folder) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")) ;;
        =*) COMPREPLY=($(compgen -W "${kind#=}" -- "$cur")) ;;
        *)
            COMPREPLY=($(compgen -W "$(_ggl_values "$kind")" -- "$cur"))
            [[ $kind == KEY ]] && compopt -o nospace 2>/dev/null
            ;;
    esac
}

complete -F _ggl ggl
