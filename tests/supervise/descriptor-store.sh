# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of the descriptor store, with tests/tools/manager as the
# service manager; to be sourced after lib.sh and supervise.sh.

# hold_store STORE MOUNTPOINT [OPTION...]: mounts the store under a manager, whose
# directory is $held.  ${mount_pid[MOUNTPOINT]} is the manager.  HELD_MAX is the
# number of descriptors that it stores, HELD_COMMAND the command that it runs instead
# of vhdfs.
hold_store() {
	local store=$1 mnt=$2

	shift 2
	requires_fuse
	held=$scratch/held
	mkdir -p "$mnt" "$held"
	# shellcheck disable=SC2086
	manager "$held" "${HELD_MAX:-1000}" \
		${HELD_COMMAND:-vhdfs -f} "$store" "$mnt" "$@" >"$mnt.log" 2>&1 &
	mount_pid[$mnt]=$!
	at_exit end_held "$mnt"
	wait_until 10 said_ready 1
}

end_held() {
	rm -f "$held/wait"
	lib_end_mount "$1"
}

# said_ready N: has the supervisor sent READY=1 N times?
said_ready() {
	[ "$(grep -c '^READY=1' "$held/log")" -ge "$1" ]
}

held_supervisor() {
	sed -n 's/^start //p' "$held/log" | tail -n 1
}

# Prints the process IDs of the supervisor and the worker.
held_processes() {
	local pid

	pid=$(held_supervisor)
	echo "$pid"
	pgrep -P "$pid"
}

# kill_held MOUNTPOINT: kills all processes of the mount, and waits until the
# next ones serve.
kill_held() {
	local ready

	ready=$(grep -c '^READY=1' "$held/log")
	# shellcheck disable=SC2046
	kill -KILL $(held_processes)
	wait_until 30 said_ready $((ready + 1))
	timeout "$hang_seconds" stat -f "$1" >/dev/null
}

# kill_supervisors N SECONDS: as kill_workers of supervise.sh, of all processes.
kill_supervisors() {
	local n=$1 pause

	pause=$(awk "BEGIN { print $2 / $1 }")
	rm -f "$scratch/killed"
	(
		for ((i = 0; i < n; i++)); do
			sleep "$pause"
			kill_held "$mnt"
			echo "$i" >>"$scratch/killed"
		done
	) &
	killer=$!
}

# Prints the names of the stored descriptors, in one line.
held_names() {
	awk '/^stored / { n[$2] = 1 } /^removed / { delete n[$2] }
		END { for (i in n) print i }' "$held/log" | sort | xargs
}

# held_disk [OPTION...]: as simple_store, under a manager.
held_disk() {
	make_pair
	hold_store "$store" "$mnt" "$@"
}

# state_of MOUNTPOINT: prints its state identifier.
state_of() {
	getfattr --only-values --absolute-names -n user.vhdfs.state "$1"
}

# is_held NAMES: are these the names of all stored descriptors?
is_held() {
	[ "$(held_names)" = "$1" ]
}
