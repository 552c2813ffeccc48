#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# apply for 512 clients, more than a Windows iSCSI target takes.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

test_512_clients_log_in() {
	clients 512
}

test_512_clients_with_data_disks_log_in() {
	start_server
	write_fleet $(seq -f 'pc%g' 1 512) <<-END
		[disk home]
		lun = 2
		size = 20M
	END
	sed -i '/^\[defaults\]/a disks = home' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "data disks" 512 "$(adm --op show --mode target | grep -c 'LUN: 2')"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	all_log_in 512
}

run_tests
