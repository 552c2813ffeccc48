#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# generate: tgt-admin reads the targets-file, and identities never change.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# generated CLIENT: prints the client's block.
generated() {
	glue generate | sed -n "/^<target $iqn_prefix:$1>/,/^<.target>/p"
}

# Prints the commands that tgt-admin would run; each disk has a file.
pretended() {
	local view

	glue generate >"$scratch/targets.conf"
	for view in $(sed -n 's/.*<backing-store \(.*\)>/\1/p' \
		"$scratch/targets.conf"); do
		mkdir -p "$(dirname "$view")"
		truncate -s 1M "$view"
	done
	tgt-admin -C "$port" -c "$scratch/targets.conf" --execute --pretend
}

test_tgt_admin_reads_every_setting() {
	start_tgtd
	name_store
	write_fleet <<-END
		[client full]
		address = 10.1.2.3/16
		initiator = iqn.2026-01.lan:full
		user = me
		secret = secretsecret1
		mutual-user = server
		mutual-secret = secretsecret2
		readonly = yes
		write-cache = off
		thin = on
		[client plain]
	END
	pretended >"$scratch/commands"
	for words in "--op new --mode target --tid [0-9]* -T $iqn_prefix:full" \
		"--op new --mode logicalunit --tid [0-9]* --lun 1 -b \"$scratch/mnt/clients/full.vhdx.raw\"  --bstype rdwr" \
		"--lun=1 --params scsi_sn=" \
		"--lun=1 --params scsi_id=" \
		"--lun=1 --params readonly=\"1\"" \
		"--lun=1 --params \"thin_provisioning=1\"" \
		"--lun=1 --params mode_page=8:0:18:0x10" \
		"--op bind --mode target --tid [0-9]* -I 10.1.0.0/16" \
		"--op bind --mode target --tid [0-9]* -Q iqn.2026-01.lan:full" \
		"--op new --user=me --password=secretsecret1" \
		"--op bind --tid=[0-9]* --user=server --outgoing" \
		"--name MaxRecvDataSegmentLength --value 262144" \
		"--name MaxXmitDataSegmentLength --value 262144" \
		"--name FirstBurstLength --value 262144"; do
		grep -q -e "$words" "$scratch/commands" ||
			fail "expected '$words' in the output of tgt-admin
$(cat "$scratch/commands")"
	done
	! grep -E 'Skipping|WARNING|ALL' "$scratch/commands" ||
		fail "expected exit status 0 of tgt-admin"
	equal "disks" 2 "$(grep -c 'new --mode logicalunit' "$scratch/commands")"
}

# tgt-admin opens a target without initiator-address to every initiator.
test_every_target_has_an_address() {
	name_store
	write_fleet <<-END
		[client names]
		initiator = iqn.2026-01.lan:x
		[client secret]
		secret = secretsecret1
		[client open]
		open = yes
	END
	sed -i '/^address/d' "$scratch/fleet.conf"
	equal "names alone" "192.0.2.1" \
		"$(generated names | sed -n 's/.*initiator-address //p')"
	equal "secret alone" "ALL" \
		"$(generated secret | sed -n 's/.*initiator-address //p')"
	equal "open" "ALL" \
		"$(generated open | sed -n 's/.*initiator-address //p')"
}

test_addresses_are_written_as_tgtd_compares_them() {
	name_store
	write_fleet <<-END
		[client pc1]
		address = 10.0.0.7/32
		address = 10.0.0.7
		address = 10.1.2.3/20
		address = fd00::1:2/64
		address = fd00::7/128
		address = 10.0.0.1/31
	END
	equal "addresses" "10.0.0.7 10.1.0.0/20 fd00::/64 fd00::7 10.0.0.0/31" \
		"$(generated pc1 | sed -n 's/.*initiator-address //p' |
		paste -sd ' ')"
}

# An initiator recognises a disk by its identity.
test_identity_depends_on_the_name_only() {
	local before

	name_store
	write_fleet pc1 pc2 </dev/null
	before=$(generated pc2)
	touch "$scratch/store/masters/other.vhd"
	write_fleet aaa pc2 zzz </dev/null
	equal "block" "$before" "$(generated pc2)"
	write_fleet <<-END
		[client pc2]
		master = masters/other
		thin = yes
		address = 10.0.0.9
	END
	for key in controller_tid scsi_id scsi_sn; do
		equal "$key" "$(echo "$before" | grep "$key ")" \
			"$(generated pc2 | grep "$key ")"
	done
}

# Identities of the first release.
test_identity_is_the_same_in_all_releases() {
	name_store
	write_fleet pc1 </dev/null
	equal "tid" 257671427 "$(generated pc1 | sed -n 's/.*controller_tid //p')"
	equal "serial" 445a22ee5af9efa2 "$(generated pc1 | sed -n 's/.*scsi_sn //p')"
}

test_identities_of_512_clients_are_distinct() {
	local key

	name_store
	write_fleet $(seq -f 'pc%g' 1 512) </dev/null
	glue generate >"$scratch/text"
	for key in controller_tid scsi_id scsi_sn '<target' '<backing-store'; do
		equal "$key" 512 "$(grep "$key " "$scratch/text" | sort -u |
			wc -l)"
	done
	awk '/controller_tid/ && ($2 < 1 || $2 >= 2^28)' "$scratch/text" |
		grep . && fail "expected target numbers in the valid range"
	awk '/scsi_id|scsi_sn/ && length($2) > 36' "$scratch/text" |
		grep . && fail "expected identifiers of at most 36 characters"
	return 0
}

test_output_depends_on_the_input_only() {
	name_store
	write_fleet pc1 pc2 </dev/null
	glue generate >"$scratch/one"
	sleep 1
	touch "$scratch/store/masters/win11.vhdx" "$scratch/fleet.conf"
	mkdir -p "$scratch/store/clients"
	(cd "$scratch" && tgt-glue --config fleet.conf generate) >"$scratch/two"
	cmp "$scratch/one" "$scratch/two"
}

test_sector_size_4096_is_written() {
	make_store 64M --sector-size 4096
	write_fleet pc1 </dev/null
	generated pc1 | grep -q 'block-size 4096$' ||
		fail "expected a block-size, found: $(generated pc1)"
}

run_tests
