#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A fleet from an empty store to disks that initiators write, and the same disks
# after a restart of the mount and of tgtd.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# secret_of I: prints the secret of client I.
secret_of() {
	printf 'secret%08d' "$1"
}

# fleet_of N: prints clients pc1 to pcN, each with a secret of its own.
fleet_of() {
	local i

	for ((i = 1; i <= $1; i++)); do
		printf '[client pc%d]\nsecret = %s\n' "$i" "$(secret_of "$i")"
	done | write_fleet
}

# client_io I COMMAND...: runs qemu-io's COMMAND on client I's disk over iSCSI.
client_io() {
	local commands=() i=$1 command

	shift
	for command; do
		commands+=(-c "$command")
	done
	qemu-io -f raw "${commands[@]}" "$(url "pc$i" "pc$i%$(secret_of "$i")@")" \
		>"$scratch/qemu-io" 2>&1 ||
		fail "expected exit status 0 of qemu-io, found: $(cat "$scratch/qemu-io")"
	! grep -E 'failed|verification' "$scratch/qemu-io" ||
		fail "client $i: expected success of: $*"
}

# write_as_client I: writes the client's number at three places: where the
# master has data, where it has none, and across both.
write_as_client() {
	client_io "$1" "write -P $1 4k 8k" "write -P $1 22M 1M" \
		"write -P $1 1020k 9k" flush
}

read_as_client() {
	client_io "$1" "read -P $1 4k 8k" "read -P $1 22M 1M" \
		"read -P $1 1020k 9k" "read -P 170 16k 512k"
}

# Fills the first megabyte of the master; clients see it until they write there.
fill_master() {
	head -c 1M /dev/zero | tr '\0' '\252' >"$scratch/fill"
	disk-io "$1" load 0 "$scratch/fill"
}

# model_of_client I: makes a file with the expected content of the view.
model_of_client() {
	local model=$scratch/model

	truncate -s 0 "$model"
	truncate -s 24M "$model"
	qemu-io -f raw -c "write -P 170 0 1M" -c "write -P $1 4k 8k" \
		-c "write -P $1 22M 1M" -c "write -P $1 1020k 9k" "$model" \
		>/dev/null
	echo "$model"
}

export_and_use() {
	local n=$1 i before after

	requires_initiator
	requires qemu-io
	make_store 24M
	fill_master "$scratch/store/masters/win11.vhdx"
	before=$(stat -c %Y "$scratch/store/masters/win11.vhdx")
	before+=$(sha256_of "$scratch/store/masters/win11.vhdx")
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	fleet_of "$n"
	expect 0 glue check
	expect 0 glue apply
	equal "targets" "$n" \
		"$(adm --op show --mode target | grep -c '^Target ')"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change by the second apply, found: $(cat "$scratch/stdout")"

	for ((i = 1; i <= n; i++)); do
		write_as_client "$i"
	done
	for ((i = 1; i <= n; i++)); do
		read_as_client "$i"
		cmp "$(model_of_client "$i")" \
			"$scratch/mnt/clients/pc$i.vhdx.raw" ||
			fail "client $i: expected the view to equal the model"
	done
	after=$(stat -c %Y "$scratch/store/masters/win11.vhdx")
	equal "master's time and bytes" "$before" \
		"$after$(sha256_of "$scratch/store/masters/win11.vhdx")"

	end_tgtd
	unmount "$scratch/mnt"
	# The images must hold the same data when no mount runs.
	for ((i = 1; i <= n; i += 7)); do
		vhdfs-img check "$scratch/store/clients/pc$i.vhdx"
		vhdfs-img convert --format raw \
			"$scratch/store/clients/pc$i.vhdx" "$scratch/flat"
		cmp "$(model_of_client "$i")" "$scratch/flat" ||
			fail "client $i: expected the image to equal the model"
		rm "$scratch/flat"
	done
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	# tgt-admin and the targets-file alone make the targets when the server
	# starts.
	tgt-admin -C "$port" -c "$scratch/targets.conf" --execute
	for ((i = 1; i <= n; i++)); do
		read_as_client "$i"
	done
	expect 0 glue plan
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change by apply after a restart, found: $(cat "$scratch/stdout")"
	end_tgtd
}

test_three_clients_keep_their_data() {
	export_and_use 3
}

test_thirty_clients_keep_their_data() {
	export_and_use 30
}

test_qemu_img_converts_a_clients_disk_over_iscsi() {
	requires_initiator
	start_server 24M
	fleet_of 1
	expect 0 glue apply
	qemu-img create -q -f raw "$scratch/source" 24M
	dd if=/dev/urandom of="$scratch/source" bs=64k count=100 seek=200 \
		conv=notrunc status=none
	qemu-img convert -n -f raw -O raw "$scratch/source" \
		"$(url pc1 "pc1%$(secret_of 1)@")"
	qemu-img compare -f raw -F raw "$scratch/source" \
		"$(url pc1 "pc1%$(secret_of 1)@")"
	cmp "$scratch/source" "$scratch/mnt/clients/pc1.vhdx.raw"
}

test_vhd_master_gets_vhd_children() {
	requires_initiator
	mkdir -p "$scratch/store/masters"
	vhdfs-img create --size 24M "$scratch/store/masters/win11.vhd"
	fill_master "$scratch/store/masters/win11.vhd"
	mount_store "$scratch/store" "$scratch/mnt"
	start_tgtd
	fleet_of 2
	expect 0 glue apply
	[ -f "$scratch/store/clients/pc1.vhd" ] ||
		fail "expected a child in VHD"
	write_as_client 1
	write_as_client 2
	read_as_client 1
	read_as_client 2
}

run_tests
