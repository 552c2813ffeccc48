#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# orphans: lists the images that belong to no client of fleet.conf, and removes
# those that are named.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# Two clients of which pc9 leaves fleet.conf, with a snapshot, an old image and
# a data disk.
start_fleet() {
	requires jq
	store=$scratch/store
	start_server
	write_fleet pc1 pc9 </dev/null
	expect 0 glue apply
	printf w | dd of="$scratch/mnt/clients/pc9.vhdx.raw" bs=512 seek=9 \
		conv=notrunc,fsync,sync status=none
	vhdfs-img snapshot "$store/clients/pc1.vhdx" monday
	vhdfs-img snapshot "$store/clients/pc9.vhdx" monday
	expect 0 glue reset pc1 pc9
	old9=$(find "$store/clients" -name '.pc9.vhdx.*Z' -printf 'clients/%f')
	mkdir -p "$store/disks/home"
	vhdfs-img create --size 1M "$store/disks/home/pc1.vhdx"
	vhdfs-img create --size 1M "$store/disks/home/pc9.vhdx"
	: >"$store/clients/notes.txt"
	: >"$store/clients/.pc9.vhdx.mine"
	write_fleet pc1 <<-END
		disks = home
		[disk home]
		lun = 2
		size = 1M
	END
}

files() {
	glue orphans --json | jq -r '.[].file'
}

has_no_rest() {
	find "$store" -name '*pc9*' -printf '%P\n' | sort >"$scratch/rest"
	equal "what is left of pc9" "clients/.pc9.vhdx.mine" \
		"$(cat "$scratch/rest")"
}

test_images_of_no_client_are_listed_with_their_size() {
	start_fleet
	expect 0 glue orphans
	cp "$scratch/stdout" "$scratch/list"
	equal "files" "$(printf '%s\n' "$old9" clients/pc9.vhdx \
		clients/pc9@monday.vhdx disks/home/pc9.vhdx)" "$(files)"
	grep -Eq "^ *[0-9.]+[KM]  clients/pc9@monday.vhdx \(the parent of clients/\.?pc9.vhdx.*\)$" \
		"$scratch/list" || fail "found: $(cat "$scratch/list")"
	equal "size" "$(($(stat -c %b "$store/clients/pc9.vhdx") * 512))" \
		"$(glue orphans --json |
			jq '.[] | select(.file == "clients/pc9.vhdx") | .size')"
	equal "client" pc9 "$(glue orphans --json | jq -r '.[0].client')"
	ls "$store/clients/pc9.vhdx" >/dev/null
}

test_status_counts_the_images_of_no_client() {
	start_fleet
	expect 0 glue apply
	expect 0 glue status
	did "^4 images belong to no client, [0-9.]+[KM]; .tgt-glue orphans. lists them$"
	equal "in JSON" 4 "$(glue status --json | jq .orphans.images)"
	printf '[client pc9]\ndisks = home\n' >>"$scratch/fleet.conf"
	expect 0 glue status
	! grep -q 'to no client' "$scratch/stdout" ||
		fail "expected no such images, found: $(cat "$scratch/stdout")"
}

test_images_of_a_disk_that_a_client_has_no_more_are_listed_and_removed() {
	start_fleet
	expect 0 glue apply
	! files | grep pc1 || fail "expected no image of pc1"
	sed -i '/^disks = home/d' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "of pc1" disks/home/pc1.vhdx "$(files | grep pc1)"
	expect 0 glue orphans --remove disks/home/pc1.vhdx
	[ ! -e "$store/disks/home/pc1.vhdx" ] || fail "expected it removed"
	[ -e "$store/clients/pc1.vhdx" ] || fail "expected the system disk"
}

test_image_of_a_disk_that_waits_for_the_logout_is_not_removed() {
	requires_initiator
	start_fleet
	expect 0 glue apply
	hold_session pc1
	sed -i '/^disks = home/d' "$scratch/fleet.conf"
	expect 4 glue apply
	expect 1 glue orphans --remove disks/home/pc1.vhdx
	[ -e "$store/disks/home/pc1.vhdx" ] || fail "expected the image"
	end_session
}

test_named_images_are_removed_children_first() {
	start_fleet
	expect 0 glue apply
	expect 0 glue orphans --remove clients/pc9@monday.vhdx \
		"$store/clients/pc9.vhdx" "$old9" clients/pc9.vhdx \
		disks/home/pc9.vhdx
	did '^clients/pc9@monday.vhdx: removed$'
	has_no_rest
	equal "orphans" "" "$(files)"
	[ -e "$store/clients/pc1@monday.vhdx" ] || fail "expected that of pc1"
	[ -e "$store/disks/home/pc1.vhdx" ] || fail "expected that of pc1"
}

test_parent_of_another_image_is_not_removed() {
	start_fleet
	expect 0 glue apply
	expect 1 glue orphans --remove clients/pc9@monday.vhdx disks/home/pc9.vhdx
	said '^tgt-glue: clients/pc9@monday.vhdx: expected an image without children, found that it is, or may be, the parent of clients/'
	[ -e "$store/clients/pc9@monday.vhdx" ] || fail "expected the parent"
	[ ! -e "$store/disks/home/pc9.vhdx" ] || fail "expected it removed"
}

# add_orphan NAME: an image of no client, of that name.
add_orphan() {
	vhdfs-img create --size 1M "$store/clients/tmp.vhdx"
	mv "$store/clients/tmp.vhdx" "$store/clients/$1.vhdx"
}

test_image_is_removed_by_its_name_as_it_is_printed() {
	local file

	start_fleet
	for file in $'a\xff' $'b\nc'; do
		add_orphan "$file"
	done
	file=$(files | grep 'clients/a')
	equal "name in JSON" 'clients/a\xff.vhdx' "$file"
	expect 0 glue orphans --remove -- "$file"
	[ ! -e "$store/clients/"$'a\xff.vhdx' ] || fail "expected it removed"
	expect 0 glue orphans --remove "$store/"'clients/b\x0ac.vhdx'
	[ ! -e "$store/clients/"$'b\nc.vhdx' ] || fail "expected it removed"
}

test_own_name_of_an_image_comes_before_what_another_is_printed_as() {
	start_fleet
	add_orphan $'a\xff'
	add_orphan 'a\xff'
	expect 0 glue orphans --remove 'clients/a\xff.vhdx'
	[ ! -e "$store/clients/"'a\xff.vhdx' ] || fail "expected it removed"
	[ -e "$store/clients/"$'a\xff.vhdx' ] || fail "expected the other one"
}

test_name_that_several_images_are_printed_as_removes_none() {
	start_fleet
	add_orphan $'\xff\\xff'
	add_orphan $'\\xff\xff'
	expect 1 glue orphans --remove 'clients/\xff\xff.vhdx'
	said "expected the name of one image, found 'clients/.xff.xff.vhdx', as 2 are printed; name each with its own bytes"
	[ -e "$store/clients/"$'\xff\\xff.vhdx' ] || fail "expected the image"
	[ -e "$store/clients/"$'\\xff\xff.vhdx' ] || fail "expected the image"
	expect 0 glue orphans --remove $'clients/\xff\\xff.vhdx' \
		$'clients/\\xff\xff.vhdx'
}

test_images_of_clients_and_other_files_are_not_removed() {
	local file

	start_fleet
	expect 0 glue apply
	find "$store" -type f | sort >"$scratch/before"
	for file in clients/pc1.vhdx clients/pc1@monday.vhdx clients/notes.txt \
		clients/.pc9.vhdx.mine masters/win11.vhdx ../fleet.conf pc9.vhdx; do
		expect 1 glue orphans --remove clients/pc9.vhdx "$file"
		said "expected an image that belongs to no client, found '$file'"
	done
	find "$store" -type f | sort | diff "$scratch/before" -
	expect 2 glue orphans --remove
	expect 2 glue orphans clients/pc9.vhdx
}

# Its target stays until it logs out.
test_image_of_a_client_that_is_logged_in_is_not_removed() {
	requires_initiator
	start_fleet
	hold_session pc9
	expect 4 glue apply
	expect 1 glue orphans --remove clients/pc9.vhdx
	said '^tgt-glue: clients/pc9.vhdx: .*in use'
	works write 9
	end_session
}

run_tests
