#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A client's image that is a symbolic link into another directory of the store: a
# verb works on what it leads to, or refuses; it never replaces the link.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

start_linked() {
	requires_initiator
	store=$scratch/store
	start_server
	mkdir "$store/fast" "$store/clients"
	vhdfs-img create --parent "$store/masters/win11.vhdx" \
		"$store/fast/pc1.vhdx"
	ln -s ../fast/pc1.vhdx "$store/clients/pc1.vhdx"
	write_fleet pc1 </dev/null
	expect 0 glue apply
	use_disk pc1 mine
}

files() {
	find "$store" -printf '%P %l %i\n' | sort
}

# refuses_link CODE COMMAND...: the command says why, and changes nothing.
refuses_link() {
	files >"$scratch/before"
	expect "$1" glue "${@:2}"
	said "clients/pc1.vhdx: expected an image, found a symbolic link to fast/pc1.vhdx, .*\(.mv -T $store/fast/pc1.vhdx $store/clients/pc1.vhdx.\)"
	files | diff "$scratch/before" -
	disk_has pc1 mine
}

test_snapshot_works_on_what_the_link_leads_to() {
	start_linked
	expect 0 glue snapshot monday pc1
	[ -f "$store/fast/pc1@monday.vhdx" ] || fail "expected it beside the image"
	equal "link" ../fast/pc1.vhdx "$(readlink "$store/clients/pc1.vhdx")"
	disk_has pc1 mine
}

test_verbs_that_give_images_other_names_refuse_a_link() {
	start_linked
	expect 0 glue snapshot monday pc1
	refuses_link 4 reset pc1
	refuses_link 1 keep pc1
	refuses_link 4 revert monday pc1
	refuses_link 4 restore pc1 monday
	refuses_link 1 publish pc1 win11
}

test_rename_refuses_a_link() {
	start_linked
	write_fleet pc2 </dev/null
	expect 4 glue rename pc1 pc2
	said 'clients/pc1.vhdx: expected an image, found a symbolic link to fast/pc1.vhdx'
	equal "link" ../fast/pc1.vhdx "$(readlink "$store/clients/pc1.vhdx")"
	[ -f "$store/fast/pc1.vhdx" ] || fail "expected the image"
	write_fleet pc1 </dev/null
	expect 0 glue apply
	disk_has pc1 mine
}

test_client_with_reset_boot_and_a_link_is_not_admitted() {
	start_linked
	write_fleet </dev/null
	expect 0 glue apply --remove
	write_fleet pc1 <<<'reset = boot'
	files >"$scratch/before"
	expect 1 glue apply
	said 'pc1: .*clients/pc1.vhdx: expected an image, found a symbolic link'
	files | diff "$scratch/before" -
	is_gone pc1 || fail "expected no target"
}

test_command_of_the_message_puts_the_image_in_its_place() {
	start_linked
	expect 4 glue reset pc1
	write_fleet </dev/null
	expect 0 glue apply --remove
	bash -c "$(grep -o 'mv -T [^)'\'']*' <<<"$(
		write_fleet pc1 </dev/null
		glue reset pc1 2>&1 || true
	)")"
	expect 0 glue apply
	disk_has pc1 mine
	expect 0 glue reset pc1
	disk_has pc1 ''
}

test_backup_has_the_image_and_the_link() {
	start_linked
	expect 0 glue backup "$scratch/backup"
	equal "link" ../fast/pc1.vhdx \
		"$(readlink "$scratch/backup/clients/pc1.vhdx")"
	vhdfs-img check "$scratch/backup/clients/pc1.vhdx" >/dev/null
	equal "disk" mine "$(disk-io "$scratch/backup/clients/pc1.vhdx" \
		read 4608 4)"
	find "$store" -name '*tgt-glue-backup*' >"$scratch/left"
	[ ! -s "$scratch/left" ] || fail "expected no snapshot: $(cat "$scratch/left")"
	use_disk pc1 more
	expect 0 glue backup "$scratch/backup"
	equal "disk" more "$(disk-io "$scratch/backup/clients/pc1.vhdx" \
		read 4608 4)"
}

run_tests
