# fish completion for culprit and culpritd.
# SPDX-License-Identifier: ISC

function __culprit_alerts
	culprit alerts --csv 2>/dev/null | cut -d, -f1 | string match -r '^[0-9A-Z]{26}$'
end

set -l verbs status top changed flows alerts show history slow test-notify verify replay score backtest demo
set -l first "not __fish_seen_subcommand_from $verbs"

complete -c culprit -f
complete -c culprit -n $first -s c -r -F -d 'configuration'
complete -c culprit -n $first -l state -r -a '(__fish_complete_directories)' -d 'state directory'
complete -c culprit -n $first -a status -d 'exporters, sockets, channels, disk'
complete -c culprit -n $first -a top -d 'who moved most, now or then'
complete -c culprit -n $first -a changed -d 'what is other than in other weeks'
complete -c culprit -n $first -a flows -d 'flows that pass a filter'
complete -c culprit -n $first -a alerts -d 'what fires and what fired'
complete -c culprit -n $first -a show -d 'everything about one alert'
complete -c culprit -n $first -a history -d 'a series through time'
complete -c culprit -n $first -a slow -d 'slow or refuse a client until a time'
complete -c culprit -n $first -a test-notify -d 'send a sample, show the conversation'
complete -c culprit -n $first -a verify -d 'whether an archive is whole'
complete -c culprit -n $first -a replay -d 'what a capture holds'
complete -c culprit -n $first -a score -d 'run a detector over a file'
complete -c culprit -n $first -a backtest -d 'when rules would have fired'
complete -c culprit -n $first -a demo -d 'traffic with a culprit in it'
complete -c culprit -n '__fish_seen_subcommand_from show' -a '(__culprit_alerts)'
complete -c culprit -n '__fish_seen_subcommand_from replay score backtest' -F
complete -c culprit -n '__fish_seen_subcommand_from backtest' -l suggest -d 'search a limit'
complete -c culprit -n '__fish_seen_subcommand_from backtest' -l budget -x -d 'alerts to bear'
complete -c culprit -n '__fish_seen_subcommand_from backtest' -l source -x -a 'auto history archive' -d 'what is read'
complete -c culprit -n '__fish_seen_subcommand_from verify' -a '(__fish_complete_directories)'
complete -c culprit -n '__fish_seen_subcommand_from replay' -l fast -d 'not at its own pace'
complete -c culprit -n '__fish_seen_subcommand_from slow' -l for -x -d 'how long'
complete -c culprit -n '__fish_seen_subcommand_from slow' -l refuse -d 'instead of slowing'
complete -c culprit -n '__fish_seen_subcommand_from slow' -l list -d 'who is slowed'
complete -c culprit -n '__fish_seen_subcommand_from slow' -l end -x -d 'end it now'
complete -c culprit -n '__fish_seen_subcommand_from slow' -l dry-run -d 'do nothing'
complete -c culprit -l at -x -d 'time, as one says it'
complete -c culprit -l from -x -d 'begin'
complete -c culprit -l to -x -d 'end'
complete -c culprit -l by -x -a 'none exporter interface src dst host network src-as dst-as as src-port dst-port port proto src,dst vlan app client url site' -d 'group by'
complete -c culprit -l as-of -x -a '(__culprit_alerts)' -d 'as an alert saw it'
complete -c culprit -s n -l rows -x -d 'how many'
complete -c culprit -l sort -x -a 'bytes packets flows rate newest oldest' -d 'order'
complete -c culprit -l whole -d 'count flows whole'
complete -c culprit -l urls -d 'what was asked of the proxy'
complete -c culprit -l bidirectional -d 'both directions are one'
complete -c culprit -l url -x -d 'ask the daemon there'
complete -c culprit -l token-file -r -F -d 'the token it wants'
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
