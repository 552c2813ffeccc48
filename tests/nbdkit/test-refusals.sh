#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The nbdkit plugin: refused images and parameters, and their messages.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "$top_srcdir/tests/nbdkit/common.sh"

# With a sanitizer preloaded nbdkit hangs in exit(1), with any plugin: the
# destructor of libp11-kit waits for a lock.
[ -z "${VHDFS_SANITIZED:-}" ] || skip "nbdkit that fails hangs with a sanitizer"

# Creates a master, and a child of it in another directory.
store_of_pair() {
	store=$scratch/store
	mkdir -p "$store/masters" "$store/clients"
	vhdfs-img create --size 8M "$store/masters/m.vhdx"
	disk-io "$store/masters/m.vhdx" write 0 100000 1
	vhdfs-img create --parent "$store/masters/m.vhdx" \
		"$store/clients/c.vhdx"
	# So only the child protects the master against writes.
	chmod u+w "$store/masters/m.vhdx"
}

# nbdkit reports each of these errors before it goes to the background.

test_missing_image_is_refused() {
	mkdir "$scratch/store"
	refused "$scratch/store/c\.vhdx: No such file" \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" "$scratch/store/c.vhdx"
	refused ".*/store/c\.vhdx: No such file" "${nbdkit[@]}" -U "$scratch/s" \
		"$plugin" store="$scratch/store" image=c.vhdx
}

test_missing_store_is_refused() {
	refused "$scratch/none: No such file.*mkdir -p" \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" store="$scratch/none"
}

test_image_outside_the_store_is_refused() {
	mkdir "$scratch/store"
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	ln -s ../d.vhdx "$scratch/store/link.vhdx"
	for image in ../d.vhdx "$scratch/d.vhdx" link.vhdx; do
		refused '.*\.vhdx: lies outside the store' \
			"${nbdkit[@]}" -U "$scratch/s" "$plugin" \
			store="$scratch/store" image="$image"
	done
}

test_parent_outside_the_store_is_refused() {
	store_of_pair
	refused 'c\.vhdx: its parent .*m\.vhdx lies outside' \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" store="$store/clients" \
		image=c.vhdx
}

test_broken_image_is_refused() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	truncate -s 100000 "$scratch/d.vhdx"
	refused 'd\.vhdx: .*expected .*, found' \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" "$scratch/d.vhdx"
}

test_raw_disk_is_refused() {
	truncate -s 8M "$scratch/d.raw"
	refused "d\.raw: expected a name that ends in .*nbdkit file'" \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" "$scratch/d.raw"
	mv "$scratch/d.raw" "$scratch/d.vhdx"
	refused 'd\.vhdx: .*expected a VHD or VHDX image' \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" "$scratch/d.vhdx"
}

test_directory_is_refused() {
	mkdir "$scratch/store"
	refused '.*: is a directory' "${nbdkit[@]}" -U "$scratch/s" "$plugin" \
		store="$scratch/store" image=.
}

test_image_that_a_program_writes_is_refused() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	hold "$scratch/d.vhdx" open
	refused "d\.vhdx: .*in use by .*$hold_pid" \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" "$scratch/d.vhdx"
	release
	with_disk 'nbdinfo "$uri"' "$scratch/d.vhdx"
}

test_image_that_a_mount_writes_is_refused() {
	requires_fuse
	store_of_pair
	mount_store "$store" "$scratch/mnt"
	exec {view}<>"$scratch/mnt/clients/c.vhdx.raw"
	refused 'clients/c\.vhdx: .*in use by .*vhdfs' \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" store="$store" \
		image=clients/c.vhdx
	exec {view}>&-
	with_disk 'nbdinfo "$uri"' store="$store" image=clients/c.vhdx
	unmount "$scratch/mnt"
}

test_invalid_parameters_are_refused() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	refused 'expected an image or store=DIR, found neither' \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin"
	refused "unknown parameter 'size='" \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" "$scratch/d.vhdx" size=1
	refused 'image=: is given twice' \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" "$scratch/d.vhdx" b.vhdx
	refused "reserve=: expected a size such as 1G.*found '1x'" \
		"${nbdkit[@]}" -U "$scratch/s" "$plugin" "$scratch/d.vhdx" reserve=1x
}

# These errors are reported to the client, and the server continues.

test_writer_of_an_image_with_children_is_refused() {
	local before

	store_of_pair
	before=$(sha256sum "$store/masters/m.vhdx")
	serve store="$store" image=masters/m.vhdx
	! nbdinfo "$uri" || fail "expected no connection"
	has_line "error: masters/m\.vhdx: is the parent of clients/c\.vhdx; .nbdkit -r'" \
		"$scratch/nbd.log"
	rm "$store/clients/c.vhdx"
	nbdinfo "$uri" || fail "expected a connection: it has no child now"
	stop_serving
	with_disk 'nbdinfo --is read-only "$uri"' -r store="$store" \
		image=masters/m.vhdx
	equal "master" "$before" "$(sha256sum "$store/masters/m.vhdx")"
}

test_writer_without_permission_is_refused() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	chmod a-w "$scratch/d.vhdx"
	refused "d\.vhdx: has no write permission; .nbdkit -r'" \
		with_disk 'nbdinfo "$uri"' "$scratch/d.vhdx"
	with_disk 'nbdinfo "$uri"' -r "$scratch/d.vhdx"
}

test_second_writer_is_refused() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	# The second server starts before the first one has a client.
	"${nbdkit[@]}" -f -U "$scratch/other.sock" \
		-P "$scratch/other.ready" "$plugin" "$scratch/d.vhdx" \
		2>"$scratch/other.log" &
	at_exit "kill $! 2>/dev/null"
	wait_until 10 test -s "$scratch/other.ready"
	client_begins "write 0 512"
	! nbdinfo "nbd+unix:///?socket=$scratch/other.sock" ||
		fail "expected no connection"
	has_line "error: d\.vhdx: .*in use by nbdkit.* $nbd_pid" "$scratch/other.log"
	client_ends
	nbdinfo "nbd+unix:///?socket=$scratch/other.sock"
	stop_serving
}

# No other program can write the image while a client has it open.
test_other_programs_cannot_write() {
	vhdfs-img create --size 8M "$scratch/d.vhdx"
	serve "$scratch/d.vhdx"
	client_begins "write 0 512"
	expect_error 1 "in use by nbdkit" vhdfs-img convert --format raw \
		"$scratch/d.vhdx" "$scratch/d.raw"
	client_ends
	stop_serving
}

# Another program puts another image into the file while a client reads it.
test_read_past_the_end_of_a_shrunken_disk_fails() {
	vhdfs-img create --size 16M "$scratch/d.vhdx"
	vhdfs-img create --size 4M "$scratch/small.vhdx"
	serve -r "$scratch/d.vhdx"
	client_begins "read 0 512" -r
	cat "$scratch/small.vhdx" >"$scratch/d.vhdx"
	# A new client makes the server check the file.
	nbdinfo --size "$uri" >"$scratch/size"
	equal "size" $((4 << 20)) "$(cat "$scratch/size")"
	client_goes_on "read 8M 512"
	wait_until 10 grep -q 'read failed' "$scratch/client.out"
	client_ends
	has_line 'error: d\.vhdx: the disk has become smaller' "$scratch/nbd.log"
	stop_serving
}

run_tests
