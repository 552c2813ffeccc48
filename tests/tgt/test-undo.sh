#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Earlier states of a client's disk: disks lists them, snapshot makes one,
# revert and restore bring one back, keep makes a reset go back to one.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# use_disk CLIENT TEXT: writes to the client's disk, as its machine does.
use_disk() {
	printf %s "$2" | dd of="$scratch/mnt/clients/$1.vhdx.raw" \
		bs=512 seek=9 conv=notrunc,fsync,sync status=none
}

# disk_has CLIENT TEXT: the client's disk, as tgtd exports it, has this text.
disk_has() {
	equal "disk of $1" "$2" "$(qemu-img dd -O raw if="$(url "$1")" \
		of="$scratch/read" bs=512 skip=9 count=1 >/dev/null &&
		tr -d '\0' <"$scratch/read")"
}

# old_images CLIENT: prints the dates of its old images, the oldest first.
old_images() {
	find "$store/clients" -name ".$1.vhdx.[0-9]*T*Z" -printf '%f\n' |
		sed 's/.*vhdx\.//' | sort
}

# state CLIENT WHICH KEY: prints what disks says of the state.
state() {
	glue disks --json "$1" | jq -r --arg which "$2" --arg key "$3" \
		'.[] | select(.which == $which) | .[$key]'
}

start_fleet() {
	requires_initiator
	requires jq
	store=$scratch/store
	apply_fleet "$@"
}

snapshot_of() {
	vhdfs-img snapshot "${@:3}" "$store/clients/$1.vhdx" "$2"
}

test_disks_lists_each_state_with_its_size_note_and_master() {
	local old

	start_fleet pc1 pc11
	use_disk pc1 first
	snapshot_of pc1 monday --note 'before the update'
	use_disk pc1 second
	expect 0 glue reset pc1
	old=$(old_images pc1)
	expect 0 glue disks pc1
	did "^WHICH +DATE +SIZE +MASTER +NOTE$"
	did "^now +20[0-9-]{8}T[0-9:]{8}Z +[0-9.]+[KM] +masters/win11.vhdx$"
	did "^monday +20.*Z +[0-9.]+[KM] +masters/win11.vhdx  before the update$"
	did "^$old +20.*Z +[0-9.]+[KM] +masters/win11.vhdx$"
	equal "states" 4 "$(wc -l <"$scratch/stdout")"
	equal "kind of $old" put-aside "$(state pc1 "$old" kind)"
	equal "file" "clients/.pc1.vhdx.$old" "$(state pc1 "$old" file)"
	equal "note" "before the update" "$(state pc1 monday note)"
	equal "size" "$(($(stat -c %b "$store/clients/pc1@monday.vhdx") * 512))" \
		"$(state pc1 monday size)"
	equal "states of pc11" now "$(glue disks --json pc11 | jq -r '.[].which')"
}

test_disks_names_the_missing_parent_of_a_state() {
	local old

	start_fleet pc1
	vhdfs-img create --size 64M "$store/masters/old.vhdx"
	use_disk pc1 first
	expect 0 glue reset pc1
	old=$(old_images pc1)
	vhdfs-img rebase --unsafe --parent "$store/masters/old.vhdx" \
		"$store/clients/.pc1.vhdx.$old"
	equal "master" masters/old.vhdx "$(state pc1 "$old" master)"
	rm "$store/masters/old.vhdx"
	expect 0 glue disks pc1
	did "^$old .* -  +cannot be restored: .*old.vhdx"
	equal "master" null "$(state pc1 "$old" master)"
}

test_disks_of_an_unknown_client_is_refused() {
	start_fleet pc1
	expect 1 glue disks pc9
	said "expected one of fleet.conf, found 'pc9'"
}

run_tests
