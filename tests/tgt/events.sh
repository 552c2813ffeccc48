# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of the event log, after tgt.sh: watch, and its events.

# start_watch: watch in the background, until the test ends.
start_watch() {
	without_holder watch_in_background
	at_exit 'kill $watch_pid; wait $watch_pid'
	wait_until 10 is_open pc1
}

watch_in_background() {
	tgt-glue --config "$scratch/fleet.conf" watch \
		>>"$scratch/watch.out" 2>&1 &
	watch_pid=$!
}

stop_watch() {
	kill "$watch_pid"
	wait "$watch_pid" || fail "expected exit status 0 of watch, found $?"
}

# start_fleet CLIENT... <<REST
start_fleet() {
	requires_initiator
	start_server
	write_fleet "$@"
	start_watch
}

# events FILTER: prints what jq prints for each event of the file.
events() {
	[ ! -e "$scratch/fleet.log" ] || jq -r "$1" "$scratch/fleet.log"
}

has_event() {
	[ -n "$(events "select(.event == \"$1\")")" ]
}

# count KIND CLIENT
count() {
	events "select(.event == \"$1\" and .client == \"$2\") | 1" | wc -l
}

# field KIND KEY: a field of the last event of that kind.
field() {
	events "select(.event == \"$1\") | .\"$2\"" | tail -n 1
}
