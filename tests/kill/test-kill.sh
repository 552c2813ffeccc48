#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs is killed under load in many rounds: all flushed data is there.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/kill.sh"

tests_of_the_long_run=9

# kill_rounds ROUNDS [OPTION...]: the options are those of load.
kill_rounds() {
	while more "$1" $tests_of_the_long_run; do
		load_all 3 "kill -9 ${mount_pid[$mnt]}" "${@:2}"
		remove_killed_mount
		recover
	done
	unmount "$mnt"
	check_images replayed
	report_kills kills
}

test_vhd_keeps_flushed_data_on_the_mount() {
	begin
	make_clients vhd --block-size 512K
	kill_rounds 6
}

test_vhdx_keeps_flushed_data_on_the_mount() {
	begin
	make_clients vhdx --block-size 1M
	kill_rounds 6
}

test_vhdx_with_large_sectors_keeps_flushed_data() {
	begin
	make_clients vhdx --block-size 2M --sector-size 4096
	kill_rounds 2
}

# Only O_SYNC makes these writes durable.
test_vhd_keeps_data_of_synchronous_writes() {
	begin
	make_clients vhd --block-size 512K
	kill_rounds 2 -D -F
}

test_vhdx_keeps_data_of_synchronous_writes() {
	begin
	make_clients vhdx --block-size 1M
	kill_rounds 2 -S -F
}

# tgtd continues, and answers with errors, when vhdfs was killed.
tgtd_rounds() {
	requires_tgtd
	while more "$1" $tests_of_the_long_run; do
		export_clients
		load_all 3 "kill -9 ${mount_pid[$mnt]}"
		kill -0 "$tgtd_pid" || fail "expected tgtd to continue"
		kill_tgtd
		remove_killed_mount
		recover
	done
	unmount "$mnt"
	check_images replayed
	report_kills "kills below tgtd"
}

test_vhd_keeps_flushed_data_through_tgtd() {
	begin
	make_clients vhd
	tgtd_rounds 5
}

test_vhdx_keeps_flushed_data_through_tgtd() {
	begin
	make_clients vhdx --block-size 1M
	tgtd_rounds 5
}

run_tests
