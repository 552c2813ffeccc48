#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The cost of a pass of tgt-glue for each client, in numbers that do not depend
# on time: system calls, requests to the mount, and instructions.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/../tgt/versions.sh"
. "${0%/*}/../supervise/supervise.sh"
. "${0%/*}/cost.sh"

# A server with two versions of the master; fleet.conf has no clients.
start_fleet() {
	requires strace
	make_versions 2
	mnt=$scratch/mnt
	start_tgtd
	write_fleet <<-END
		[disk home]
		lun = 2
		size = 20M
	END
	sed -i '/^\[defaults\]/a disks = home' "$scratch/fleet.conf"
}

# add_clients FIRST LAST: adds clients with two disks each to fleet.conf.  Other
# tests that run now have no such names.
add_clients() {
	printf '[client cost%d]\n' $(seq "$@") >>"$scratch/fleet.conf"
}

# costs COMMAND...: sets calls to the system calls of tgt-glue that name a file,
# and requests to those that the mount answered meanwhile.  tgt-glue looks at
# the open files of all tgtds: those of other tests do not count.
costs() {
	counted env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=%file \
		-o "$scratch/glue" tgt-glue --config "$scratch/fleet.conf" "$@" \
		>"$scratch/out"
	requests=$(calls_of write writev)
	grep -Ev '/proc/|, "",|readlinkat' "$scratch/glue" >"$scratch/named"
	grep -F "/proc/$tgtd_pid/" "$scratch/glue" >>"$scratch/named"
	calls=$(wc -l <"$scratch/named")
}

# each_costs CLIENTS CALLS REQUESTS BEFORE...: expects that CLIENTS more cost at
# most so much each; BEFORE is the calls and requests without them.
each_costs() {
	local each_calls=$(((calls - $4) / $1))
	local each_requests=$(((requests - $5) / $1))

	remark "for each client $each_calls calls, $each_requests requests"
	[ "$each_calls" -le "$2" ] ||
		fail "system calls for each client: expected at most $2, found" \
			"$each_calls: $(grep -F cost39 "$scratch/named")"
	at_most "requests to the mount for each client" "$3" "$each_requests"
}

test_pass_without_a_change_costs_little_for_each_client() {
	local calls requests before

	start_fleet
	add_clients 1 8
	expect 0 glue apply
	costs apply
	before="$calls $requests"
	add_clients 9 40
	expect 0 glue apply
	costs apply
	equal "changes" "" "$(cat "$scratch/out")"
	# shellcheck disable=SC2086
	each_costs 32 12 4 $before
}

# All clients go over to another version in one pass.
test_clients_that_go_over_read_open_files_once() {
	local calls requests n shell=$BASHPID

	start_fleet
	add_clients 1 12
	expect 0 glue apply
	expect 0 glue promote masters/win11 2
	costs apply
	equal "clients that went over" 12 "$(grep -c ' is fresh' "$scratch/out")"
	n=$(grep -c "\"/proc/$shell/fd\"" "$scratch/glue") || true
	[ "$n" = 1 ] ||
		fail "expected that the files of this shell are read once, found $n times"
}

run_tests
