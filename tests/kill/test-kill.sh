#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs is killed under load, again and again: what was flushed is there.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../tgt/tgt.sh"
. "$(dirname "$0")/kill.sh"

tests_of_the_long_run=6

kill_rounds() {
	while more "$1" $tests_of_the_long_run; do
		load_all 3 "kill -9 ${mount_pid[$mnt]}"
		bury
		recover
	done
	unmount "$mnt"
	check_images replayed
	report_kills kills
}

test_vhd_on_the_mount() {
	begin
	make_clients vhd --block-size 512K
	kill_rounds 6
}

test_vhdx_on_the_mount() {
	begin
	make_clients vhdx --block-size 1M
	kill_rounds 6
}

test_vhdx_with_large_sectors() {
	begin
	make_clients vhdx --block-size 2M --sector-size 4096
	kill_rounds 2
}

# export_clients: by a tgtd of the test's own, on one target each.
export_clients() {
	local client tid=0

	start_tgtd
	for client in $clients; do
		tid=$((tid + 1))
		adm --op new --mode target --tid $tid --targetname "$iqn_prefix:$client"
		adm --op new --mode logicalunit --tid $tid --lun 1 \
			--backing-store "$(view "$client")"
		adm --op update --mode logicalunit --tid $tid --lun 1 \
			--params thin_provisioning=1
		adm --op bind --mode target --tid $tid --initiator-address ALL
		disk[$client]=$(url "$client")
	done
}

# tgtd keeps answering, with errors, when vhdfs is gone.
tgtd_rounds() {
	requires_tgtd
	while more "$1" $tests_of_the_long_run; do
		export_clients
		load_all 3 "kill -9 ${mount_pid[$mnt]}"
		kill -0 "$tgtd_pid" || fail "tgtd ended"
		kill_tgtd
		bury
		recover
	done
	unmount "$mnt"
	check_images replayed
	report_kills "kills below tgtd"
}

test_vhd_through_tgtd() {
	begin
	make_clients vhd
	tgtd_rounds 5
}

test_vhdx_through_tgtd() {
	begin
	make_clients vhdx --block-size 1M
	tgtd_rounds 5
}

run_tests
