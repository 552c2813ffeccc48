# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests that kill workers of vhdfs; to be sourced after lib.sh and
# kill/kill.sh.

# worker MOUNTPOINT: waits until the mount has a worker, and prints its process ID.
worker() {
	local pid

	wait_until 10 has_worker_or_ended "$1"
	[ -n "$pid" ] || fail "expected a worker: $(cat "$1.log")"
	echo "$pid"
}

has_worker_or_ended() {
	pid=$(pgrep -P "${mount_pid[$1]}") || ! kill -0 "${mount_pid[$1]}"
}

# kill_worker MOUNTPOINT [SIGNAL]: kills the worker, and waits until the next
# one serves.
kill_worker() {
	local pid

	pid=$(worker "$1")
	kill -"${2:-KILL}" "$pid"
	wait_until 10 another_serves "$1" "$pid"
}

# another_serves MOUNTPOINT PID: does another worker than PID serve?
another_serves() {
	local pid

	pid=$(pgrep -P "${mount_pid[$1]}") && [ "$pid" != "$2" ] &&
		timeout "$hang_seconds" stat -f "$1"
}

# upgrade MOUNTPOINT: sends SIGHUP, and waits until the next worker serves.
upgrade() {
	local pid

	pid=$(worker "$1")
	kill -HUP "${mount_pid[$1]}"
	wait_until 10 another_serves "$1" "$pid"
}

# kill_workers N SECONDS: starts the process $killer, which kills N workers one after
# the other, in about that time.
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

# After kill_workers: expects N kills, and no error of a client.
no_client_saw_an_error() {
	local client

	wait "$killer" || fail "expected all kills to succeed: $(cat "$mnt.log")"
	kills=$((kills + $(wc -l <"$scratch/killed")))
	for client in $clients; do
		grep -q 'ended by its own end' "$scratch/runs/$client" ||
			fail "expected no error, found: $(cat "$scratch/runs/$client")"
	done
}

requires_resend() {
	[ "$(uname -r | awk -F. '{ print $1 * 1000 + $2 }')" -ge 6009 ] ||
		skip "the kernel has no FUSE_NOTIFY_RESEND"
}

# Makes a store with a master and its child, not mounted.
make_pair() {
	requires_resend
	requires_fuse
	store=$scratch/store mnt=$scratch/mnt child=$scratch/mnt/child.vhdx.raw
	mkdir "$store"
	vhdfs-img create --size 16M "$store/master.vhdx"
	vhdfs-img create --parent "$store/master.vhdx" "$store/child.vhdx"
}

# As make_pair, and mounts the store; $child is the view of the child.
simple_store() {
	make_pair
	mount_store "$store" "$mnt" "$@"
}

# die_at CALLS N: the worker will be killed when a thread of it enters the Nth
# of these system calls from now; CALLS as for strace(1).
die_at() {
	requires strace
	rm -f "$scratch/attached"
	strace -f -p "$(worker "$mnt")" -o "$scratch/trace" -e trace="$1" \
		-e inject="$1:signal=SIGKILL:when=$2" 2>"$scratch/attached" &
	strace_pid=$!
	wait_until 30 grep -q attached "$scratch/attached"
}

# Did the worker die since die_at?  Returns when a worker serves.
died() {
	local died=0

	timeout 30 stat -f "$mnt" >/dev/null
	! kill -INT $strace_pid 2>/dev/null || sleep 0.1
	wait $strace_pid || true
	grep -q 'killed by SIGKILL' "$scratch/trace" || died=1
	return $died
}

# deaths MOUNTPOINT: prints how often its worker died, and the signals.
deaths() {
	getfattr --only-values --absolute-names -n user.vhdfs.worker-deaths \
		"$1" | awk '{ for (i = 3; i <= NF; i += 2) $1 = $1 " " $i; print $1 }'
}
