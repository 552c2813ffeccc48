#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Snapshots of disks under load, while workers die or the program is replaced: clients
# see no error, no answered write is lost, and each snapshot is the disk of one moment.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/../kill/snapshots.sh"
. "${0%/*}/../faults/faults.sh"
. "${0%/*}/supervise.sh"
. "${0%/*}/descriptor-store.sh"

tests_of_the_long_run=6

# begin_under_load FORMAT: three clients, over tgtd.  In a long run the seed chooses the
# format.
begin_under_load() {
	local format=$1 formats=(vhd vhdx)

	requires_resend
	requires_initiator
	begin
	[ -z "${VHDFS_LONG:-}" ] || format=${formats[seed % 2]}
	make_clients "$format" --block-size 1M
	export_clients
}

# end_under_load WHAT
end_under_load() {
	end_tgtd
	unmount "$mnt"
	check_images
	check_snapshots
	report_kills "$1; $taken snapshots"
}

# snapshots_under_load ROUNDS SECONDS DISTURB...: in each round clients write and
# snapshots are taken, while the command DISTURB runs, which starts the process $killer.
snapshots_under_load() {
	local rounds_wanted=$1 seconds=$2

	shift 2
	while more "$rounds_wanted" $tests_of_the_long_run && chains_are_short; do
		begin_events
		"$@"
		take_snapshots "$seconds"
		load_all_with_events 0 true -s $((seconds + 1))
		no_client_saw_an_error
		end_snapshots
		verify_all exact
		verify_snapshots
	done
}

# upgrade_program N SECONDS: as kill_workers, with upgrades.
upgrade_program() {
	local n=$1 pause

	pause=$(awk "BEGIN { print $2 / $1 }")
	rm -f "$scratch/killed"
	(
		for ((i = 0; i < n; i++)); do
			sleep "$pause"
			kill -HUP "${mount_pid[$mnt]}"
			echo "$i" >>"$scratch/killed"
		done
	) &
	killer=$!
}

disturb_nothing() {
	: >"$scratch/killed"
	true &
	killer=$!
}

# Without a death, which would hide a mistake of another kind.
test_snapshots_under_load_are_of_one_moment() {
	begin_under_load vhdx
	snapshots_under_load 1 1 disturb_nothing
	end_under_load deaths
}

test_snapshots_under_load_survive_deaths_of_the_worker() {
	begin_under_load vhd
	snapshots_under_load 1 2 kill_workers 8 2
	end_under_load "workers killed"
}

test_snapshots_under_load_survive_upgrades() {
	begin_under_load vhdx
	snapshots_under_load 1 2 upgrade_program 4 2
	end_under_load upgrades
}

# mount_held STORE MOUNTPOINT: under a manager with a descriptor store.
mount_held() {
	wrap_vhdfs
	HELD_COMMAND="$scratch/bin/vhdfs -f" hold_store "$@"
}

test_snapshots_under_load_survive_deaths_of_all_processes() {
	requires_faults
	mount_with=mount_held
	begin_under_load vhd
	snapshots_under_load 1 2 kill_supervisors 4 2
	end_under_load "deaths of all processes"
}

# calls_of_snapshots KIND CALL...: lines for arm.
calls_of_snapshots() {
	local kind=$1 call at

	shift
	for call; do
		for at in 1 2 3 4 5; do
			echo "$kind $at $call"
		done
	done | shuf --random-source=<(yes "$seed")
}

# all_calls_of_snapshots AFTER BEFORE: the calls of the worker that only a snapshot makes,
# and syncs; with the kind AFTER those that change names, with the kind BEFORE each.
all_calls_of_snapshots() {
	calls_of_snapshots "$1" link rename unlink
	calls_of_snapshots "$2" create link rename unlink chmod resize open sync
}

# take_killed_snapshots SECONDS AFTER BEFORE: starts the process $taker, which takes
# snapshots of c1, and the kind AFTER or BEFORE hits another call of each of them; on a
# slow machine until three have died.
take_killed_snapshots() {
	(
		wait_until 30 [ -e "$scratch/ready" ]
		end=$((SECONDS + $1)) n=0 deaths=0
		while read -r kind at call &&
			[ $((SECONDS < end || deaths < 3)) = 1 ]; do
			arm "$kind" once "$at" "$call"
			take_snapshot c1 "r$rounds-$((n += 1))"
			ask
			[ "$fired" = 0 ] || echo "$kind $at $call" >>"$scratch/killed"
			deaths=$((deaths + fired))
		done < <(all_calls_of_snapshots "$2" "$3")
		disarm
	) >"$scratch/taker" 2>&1 &
	taker=$!
}

# deaths_at_each_call AFTER BEFORE
deaths_at_each_call() {
	while more 1 $tests_of_the_long_run && chains_are_short; do
		begin_events
		disturb_nothing
		take_killed_snapshots 2 "$@"
		load_all_with_events 0 true -s 3
		end_snapshots
		no_client_saw_an_error
		verify_all exact
		verify_snapshots
	done
	[ "$kills" -ge 3 ] || fail "expected 3 deaths, found $kills"
	end_under_load "deaths at calls of snapshots"
}

test_snapshots_under_load_survive_deaths_of_the_worker_at_each_call() {
	requires_faults
	mount_with=mount_with_faults
	begin_under_load vhdx
	deaths_at_each_call killed kill
}

test_snapshots_under_load_survive_deaths_of_all_processes_at_each_call() {
	requires_faults
	mount_with=mount_held
	begin_under_load vhdx
	deaths_at_each_call ended end
}

run_tests
