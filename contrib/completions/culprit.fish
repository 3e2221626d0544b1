# fish completion for culprit and culpritd.
# SPDX-License-Identifier: ISC

function __culprit_alerts
	culprit alerts --csv 2>/dev/null | cut -d, -f1 | string match -r '^[0-9A-Z]{26}$'
end

set -l verbs status top flows history baseline alerts show ack silence slow notify backtest \
	learn import export replay score verify test-notify demo
set -l first "not __fish_seen_subcommand_from $verbs"

complete -c culprit -f
complete -c culprit -n $first -s c -r -F -d 'configuration'
complete -c culprit -n $first -l state -r -a '(__fish_complete_directories)' -d 'state directory'
complete -c culprit -n $first -a status -d 'exporters, sockets, channels, disk'
complete -c culprit -n $first -a top -d 'who moved most, now or then'
complete -c culprit -n $first -a flows -d 'flows that pass a filter'
complete -c culprit -n $first -a history -d 'a series through time'
complete -c culprit -n $first -a baseline -d 'what is normal for a series'
complete -c culprit -n $first -a alerts -d 'what fires and what fired'
complete -c culprit -n $first -a show -d 'everything about one alert'
complete -c culprit -n $first -a ack -d 'say that somebody is on it'
complete -c culprit -n $first -a silence -d 'be quiet about something for a while'
complete -c culprit -n $first -a slow -d 'slow a client down at the proxy'
complete -c culprit -n $first -a notify -d 'queues of the channels'
complete -c culprit -n $first -a backtest -d 'when a rule would have fired'
complete -c culprit -n $first -a learn -d 'baselines from the archive'
complete -c culprit -n $first -a import -d 'read other archives'
complete -c culprit -n $first -a export -d 'write flows for others'
complete -c culprit -n $first -a replay -d 'send what a file holds'
complete -c culprit -n $first -a score -d 'run a detector over a file'
complete -c culprit -n $first -a verify -d 'whether an archive is whole'
complete -c culprit -n $first -a test-notify -d 'send a sample, show the conversation'
complete -c culprit -n $first -a demo -d 'traffic with a culprit in it'
complete -c culprit -n '__fish_seen_subcommand_from show ack' -a '(__culprit_alerts)'
complete -c culprit -n '__fish_seen_subcommand_from import verify replay score' -F
complete -c culprit -l at -x -d 'time, as one says it'
complete -c culprit -l from -x -d 'begin'
complete -c culprit -l to -x -d 'end'
complete -c culprit -l by -x -a 'none exporter interface src dst host network src-as dst-as as src-port dst-port port proto src,dst vlan app' -d 'group by'
complete -c culprit -l as-of -x -a '(__culprit_alerts)' -d 'as an alert saw it'
complete -c culprit -l whole -d 'count flows whole'
complete -c culprit -l json -d 'for programs'
complete -c culprit -l csv -d 'for spreadsheets'
complete -c culprit -l help -d 'help'

complete -c culpritd -f
complete -c culpritd -s c -l config -r -F -d 'configuration'
complete -c culpritd -l state -r -a '(__fish_complete_directories)' -d 'state directory'
complete -c culpritd -s f -l foreground -d 'stay in the foreground'
complete -c culpritd -s t -l test -d 'check the configuration'
complete -c culpritd -s T -l print -d 'check and print the configuration'
complete -c culpritd -l demo -d 'with traffic of its own'
complete -c culpritd -l pidfile -r -F -d 'process id goes there'
complete -c culpritd -s v -l verbose -d 'say more'
complete -c culpritd -s V -l version -d 'version'
complete -c culpritd -s h -l help -d 'help'
