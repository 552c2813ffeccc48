#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The nbdkit plugin: the images of a store as exports, and filters of nbdkit.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "$top_srcdir/tests/nbdkit/common.sh"

a_store() {
	local name

	store=$scratch/store
	mkdir -p "$store/masters" "$store/clients/room 1" "$store/.hidden"
	vhdfs-img create --size 8M "$store/masters/m.vhdx"
	disk-io "$store/masters/m.vhdx" write 0 100000 1
	for name in clients/c.vhdx "clients/room 1/d.vhdx"; do
		vhdfs-img create --parent "$store/masters/m.vhdx" "$store/$name"
	done
	disk-io "$store/clients/c.vhdx" write 4096 4096 2
	vhdfs-img create --size 4M "$store/.hidden/h.vhdx"
	echo "no image" >"$store/note.txt"
	echo "no image" >"$store/broken.vhdx"
}

test_list_contains_the_images_that_a_mount_shows() {
	a_store
	serve store="$store"
	nbdinfo --list --json "$uri" >"$scratch/list"
	equal "exports" "clients/c.vhdx,clients/room 1/d.vhdx,masters/m.vhdx" \
		"$(jq -r '.exports[]."export-name"' "$scratch/list" | sort |
			paste -sd ,)"
	equal "description" "vhdx, differencing" "$(jq -r '.exports[] |
		select(."export-name" == "clients/c.vhdx").description' \
		"$scratch/list")"
	stop_serving
}

test_export_name_selects_the_image() {
	a_store
	serve store="$store"
	nbdcopy "$(uri_of clients/c.vhdx)" "$scratch/out.raw"
	disk-io "$scratch/out.raw" verify 0 4096 1 verify 4096 4096 2
	qemu_io "$(uri_of clients/room%201/d.vhdx)" "write -P 9 0 4096"
	stop_serving
	disk-io "$store/clients/room 1/d.vhdx" read 0 4096 |
		cmp -n 4096 - <(printf '\t%.0s' {1..4096})
}

test_parent_is_a_read_only_export() {
	a_store
	serve store="$store"
	nbdinfo --is read-only "$(uri_of masters/m.vhdx)" ||
		fail "expected a read-only export"
	nbdinfo "$(uri_of masters/m.vhdx)" | tee "$scratch/out"
	grep -q 'read-only: masters/m\.vhdx: is the parent of clients/' \
		"$scratch/out" || fail "expected the reason"
	! nbdinfo --is read-only "$(uri_of clients/c.vhdx)" ||
		fail "expected a child that is written"
	stop_serving
}

# refuses_export NAME PATTERN: a client cannot open the export, and nbdkit's error
# matches.
refuses_export() {
	: >"$scratch/nbd.log"
	! nbdinfo "$(uri_of "$1")" 2>/dev/null ||
		fail "expected no export $1"
	has_line -E "error: .*$2" "$scratch/nbd.log"
}

test_invalid_export_names_are_refused() {
	a_store
	cp "$store/masters/m.vhdx" "$scratch/secret.vhdx"
	ln -s ../../secret.vhdx "$store/clients/link.vhdx"
	serve store="$store"
	refuses_export "" 'export without a name; .*nbdinfo --list'
	refuses_export none.vhdx 'none\.vhdx: no such image'
	refuses_export ../secret.vhdx '\.\./secret\.vhdx: no such image'
	refuses_export "$scratch/secret.vhdx" 'secret\.vhdx: no such image'
	refuses_export clients/link.vhdx 'link\.vhdx: no such image'
	refuses_export .hidden/h.vhdx 'h\.vhdx: no such image'
	refuses_export note.txt 'note\.txt: expected a name that ends in'
	refuses_export clients 'clients: expected a name that ends in'
	refuses_export broken.vhdx 'broken\.vhdx: .*expected a VHD or VHDX'
	stop_serving
}

test_new_image_is_served() {
	a_store
	serve store="$store"
	vhdfs-img create --parent "$store/masters/m.vhdx" "$store/clients/n.vhdx"
	nbdinfo --size "$(uri_of clients/n.vhdx)" >"$scratch/size"
	equal "size" $((8 << 20)) "$(cat "$scratch/size")"
	stop_serving
}

# With image= the name of the export does not matter.
test_image_is_served_under_any_export_name() {
	a_store
	serve store="$store" image=clients/c.vhdx
	nbdinfo --is read-only "$(uri_of masters/m.vhdx)" &&
		fail "expected the child"
	nbdinfo --list "$uri" | grep -q 'export=""' ||
		fail "expected the default export"
	stop_serving
}

# The filter stores the writes; the image, a parent, is not changed.
test_cow_filter_does_not_change_a_parent() {
	local before

	a_store
	before=$(sha256sum "$store/masters/m.vhdx")
	with_disk "qemu-io -f raw -c 'write -P 7 0 1M' -c 'read -P 7 0 1M'"' "$uri"' \
		--filter=cow store="$store" image=masters/m.vhdx |
		tee "$scratch/out"
	grep -q '^wrote 1048576' "$scratch/out" || fail "expected a write"
	! grep -q -i -e fail -e verif "$scratch/out" ||
		fail "expected the written data: $(cat "$scratch/out")"
	equal "master" "$before" "$(sha256sum "$store/masters/m.vhdx")"
}

test_exportname_filter_sets_the_default_export() {
	a_store
	with_disk 'nbdcopy "$uri" '"$scratch/out.raw" -r --filter=exportname \
		store="$store" default-export=clients/c.vhdx
	disk-io "$scratch/out.raw" verify 4096 4096 2
}

test_partition_filter_serves_a_partition() {
	requires sfdisk
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	truncate -s 8M "$scratch/table"
	echo '2048,4096,83' | sfdisk -q "$scratch/table"
	disk-io "$scratch/d.vhdx" load 0 "$scratch/table" write 1048576 4096 3
	with_disk 'nbdcopy "$uri" '"$scratch/out.raw" -r --filter=partition \
		"$scratch/d.vhdx" partition=1
	equal "size" $((4096 * 512)) "$(size_of "$scratch/out.raw")"
	disk-io "$scratch/d.vhdx" read 1048576 2097152 |
		cmp - "$scratch/out.raw"
}

run_tests
