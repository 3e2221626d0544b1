# bash completion for culprit and culpritd.
# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2207

_culprit_ids() { # of alerts, from the daemon when it answers
	culprit alerts --csv 2>/dev/null | cut -d, -f1 | grep -E '^[0-9A-Z]{26}$'
}

_culprit() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb='' i
	local verbs='status top changed flows alerts show ack silence notify history slow who
		test-notify
		export import verify replay score backtest baseline learn demo'
	local keys='none exporter interface src dst host network src-as dst-as as src-port
		dst-port port proto src,dst vlan app client url site'
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config | --state) ((i++)) ;;
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case $before in
	-c | --config)
		COMPREPLY=($(compgen -f -- "$word"))
		return
		;;
	--state)
		COMPREPLY=($(compgen -d -- "$word"))
		return
		;;
	--by)
		COMPREPLY=($(compgen -W "$keys" -- "$word"))
		return
		;;
	--as-of)
		COMPREPLY=($(compgen -W "$(_culprit_ids)" -- "$word"))
		return
		;;
	esac
	case $verb in
	'') COMPREPLY=($(compgen -W "$verbs -c --state --url --token-file --help --version" \
		-- "$word")) ;;
	show) COMPREPLY=($(compgen -W "$(_culprit_ids) --json --help" -- "$word")) ;;
	slow) COMPREPLY=($(compgen -W '--for --refuse --why --dry-run --list --end --json --help' \
		-- "$word")) ;;
	ack) COMPREPLY=($(compgen -W "$(_culprit_ids) --author --json --help" -- "$word")) ;;
	silence) COMPREPLY=($(compgen -W "$(_culprit_ids) add list end --until --comment
		--author --all --json --help" -- "$word")) ;;
	notify) COMPREPLY=($(compgen -W 'list retry --json --csv --help' -- "$word")) ;;
	alerts) COMPREPLY=($(compgen -W '--at --from --to --rule --state --all --json --csv
		--help' -- "$word")) ;;
	history) COMPREPLY=($(compgen -W 'list --from --to --step --json --csv --help' \
		-- "$word")) ;;
	replay) COMPREPLY=($(compgen -W '--fast --quiet --json --csv' -f -- "$word")) ;;
	learn) COMPREPLY=($(compgen -W '--from --json' -- "$word")) ;;
	backtest) COMPREPLY=($(compgen -W '--from --to --suggest --budget --source --json --csv
		--help' -f -- "$word")) ;;
	score) COMPREPLY=($(compgen -f -- "$word")) ;;
	export) COMPREPLY=($(compgen -W '--at --from --to --as-of --format --send --rate --help' \
		-- "$word")) ;;
	import) COMPREPLY=($(compgen -W '--exporter --packets --datagrams --active --inactive
		--verbose --json --csv --help' -f -- "$word")) ;;
	verify) COMPREPLY=($(compgen -d -- "$word")) ;;
	test-notify) COMPREPLY=($(compgen -W '--verbose --json --help' -- "$word")) ;;
	status | demo)
		COMPREPLY=($(compgen -W '--all --json --csv --help' -- "$word"))
		;;
	*) COMPREPLY=($(compgen -W '--at --from --to --by --rows --sort --as-of --whole --measure
		--bidirectional --names --urls --json --csv --help' \
		-- "$word")) ;;
	esac
}

_culpritd() {
	local word=${COMP_WORDS[COMP_CWORD]}
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-c | --config | --pidfile) COMPREPLY=($(compgen -f -- "$word")) ;;
	--state) COMPREPLY=($(compgen -d -- "$word")) ;;
	*) COMPREPLY=($(compgen -W '-c --config --state -f --foreground -t --test -T --print
		--demo --pidfile -v --verbose -V --version -h --help' -- "$word")) ;;
	esac
}

complete -o filenames -F _culprit culprit
complete -o filenames -F _culpritd culpritd
