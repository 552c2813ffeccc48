# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For tests of what happens when a worker of vhdfs ends, after kill/kill.sh.

# worker MOUNTPOINT: the process that serves it.
worker() {
	local pid

	pid=$(pgrep -P "${mount_pid[$1]}") || fail "no worker: $(cat "$1.log")"
	echo "$pid"
}

# kill_worker MOUNTPOINT [SIGNAL]: and waits until the next one serves.
kill_worker() {
	local pid

	pid=$(worker "$1")
	kill -"${2:-KILL}" "$pid"
	wait_until 10 another_serves "$1" "$pid"
}

another_serves() {
	local pid

	pid=$(pgrep -P "${mount_pid[$1]}") && [ "$pid" != "$2" ] &&
		timeout "$hang_seconds" stat -f "$1"
}

# kill_workers N SECONDS: one after the other, so many in about that time, in
# the background; $killer is the process that does it.
kill_workers() {
	local n=$1 pause

	pause=$(awk "BEGIN { print $2 / $1 }")
	rm -f "$scratch/killed"
	(
		for ((i = 0; i < n; i++)); do
			sleep "$pause"
			kill -KILL "$(worker "$mnt")"
			echo "$i" >>"$scratch/killed"
		done
	) &
	killer=$!
}

# Nobody was told of any of it.
nobody_noticed() {
	local client

	wait "$killer" || fail "could not kill them all: $(cat "$mnt.log")"
	kills=$((kills + $(wc -l <"$scratch/killed")))
	for client in $clients; do
		grep -q 'ended by its own end' "$scratch/runs/$client" ||
			fail "expected no error, found: $(cat "$scratch/runs/$client")"
	done
}
