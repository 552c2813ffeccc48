#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tests of the faults as a user other than root that owns the images: whatever ended a
# command, the next one of that user finishes or undoes it, and every snapshot is
# without write permission afterwards.
. "${0%/*}/../lib.sh"

# passes FILE FUNCTION [VARIABLE=VALUE...]: the function of tests/faults/FILE.sh
# succeeds as that user.
passes() {
	local tap=$scratch/tap

	make_user_directory "$scratch/tmp"
	: >"$tap"
	as_user env TMPDIR="$scratch/tmp" HOME="$scratch/tmp" "${@:3}" \
		"$top_srcdir/tests/faults/$1.sh" "$2" >>"$tap" 2>&1
	! grep -q '^ok.* # SKIP' "$tap" ||
		skip "$(sed -n 's/^ok.* # SKIP //p' "$tap")"
	remark "$(sed -n 's/^# \(.*: .*\)/\1/p' "$tap" | head -n 1)"
	grep -q '^ok' "$tap" || fail "expected success of $1 $2: $(cat "$tap")"
}

# killed N FILE FUNCTION: the command is killed before its calls on a file; of more than
# N, before some that the seed chooses.
killed() {
	passes "$2" "$3" VHDFS_FAULT_KINDS=kill:once VHDFS_FAULT_POINTS="$1"
}

test_snapshot_killed_at_each_step_vhd() {
	killed 300 test-snapshot test_snapshot_vhd
}

test_snapshot_killed_at_each_step_vhdx() {
	killed 300 test-snapshot test_snapshot_vhdx
}

test_revert_killed_at_its_steps() {
	killed 30 test-snapshot test_revert_vhdx
}

test_delete_snapshot_killed_at_its_steps_vhd() {
	killed 15 test-delete-snapshot test_delete_snapshot_vhd
}

test_delete_snapshot_killed_at_its_steps_vhdx() {
	killed 15 test-delete-snapshot test_delete_snapshot_vhdx
}

test_rename_killed_at_its_steps_vhd() {
	killed 15 test-rename test_rename_vhd
}

test_rename_killed_at_its_steps_vhdx() {
	killed 15 test-rename test_rename_vhdx
}

test_failures_of_a_snapshot() {
	passes test-snapshot test_snapshot_vhdx
}

test_failures_of_a_removal() {
	passes test-delete-snapshot test_delete_snapshot_vhdx
}

test_failures_of_a_rename() {
	passes test-rename test_rename_vhd
}

test_power_cuts_of_a_snapshot() {
	passes test-power-cut test_snapshot_vhdx
}

test_power_cuts_of_a_recovery() {
	passes test-power-cut test_recovery_of_a_snapshot
}

run_sample "${VHDFS_SAMPLE:+4}" "$@"
run_tests
