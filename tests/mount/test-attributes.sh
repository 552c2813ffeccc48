#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The attributes of views: stat, extended attributes, statfs.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

test_error_of_an_unknown_file_shows_its_first_bytes() {
	empty_store
	printf 'QFI\373 and more' >"$store/a.vhdx"
	printf 'abc' >"$store/b.vhd"
	: >"$store/c.vhd"
	mount_store "$store" "$mnt"
	attribute "$mnt/a.vhdx.raw" error |
		grep "found a qcow2 image; run"
	attribute "$mnt/b.vhd.raw" error | grep 'but the bytes 616263$'
	attribute "$mnt/c.vhd.raw" error | grep "found none of their signatures$"
}

attributes() {
	getfattr --absolute-names -d "$1" | sed -n 's/^user.vhdfs.\([a-z]*\)=.*/\1/p' |
		sort | paste -sd ' '
}

test_size_is_that_of_the_disk() {
	store_of_pair
	mount_store "$store" "$mnt"
	equal "master" $((64 << 20)) "$(size_of "$master")"
	equal "child" $((64 << 20)) "$(size_of "$child")"
}

test_blocks_are_those_of_the_image_file() {
	store_of_pair
	mount_store "$store" "$mnt"
	equal "master" "$(stat -c %b "$store/master.vhdx")" \
		"$(stat -c %b "$master")"
	equal "child" "$(stat -c %b "$store/clients/pc.vhdx")" \
		"$(stat -c %b "$child")"
	equal "blksize" 4096 "$(stat -c %o "$child")"
	# A write grows the child's blocks at once.
	dd if=/dev/urandom of="$child" bs=1M seek=8 count=4 conv=notrunc,fsync \
		status=none
	[ "$(stat -c %b "$child")" -ge $((4 << 11)) ] ||
		fail "expected 4 MiB in the child, found $(du "$child")"
	equal "child" "$(stat -c %b "$store/clients/pc.vhdx")" \
		"$(stat -c %b "$child")"
}

test_owner_mode_and_mtime_are_those_of_the_file() {
	store_of_pair
	chown 1234:4321 "$store/clients/pc.vhdx"
	chmod 640 "$store/clients/pc.vhdx"
	touch -d '2020-02-02 02:02:02.123456789 UTC' "$store/clients/pc.vhdx"
	mount_store "$store" "$mnt"
	equal "child" "1234 4321 640 1580608922.123456789" \
		"$(stat -c '%u %g %a %.9Y' "$child")"
	chmod 606 "$store/clients/pc.vhdx"
	equal "mode" 606 "$(stat -c %a "$child")"
}

test_directory_has_the_stores_attributes() {
	store_of_pair
	chown 7:8 "$store/clients"
	chmod 2750 "$store/clients"
	mount_store "$store" "$mnt"
	equal "clients" "$(stat -c '%u %g %a %Y %i' "$store/clients")" \
		"$(stat -c '%u %g %a %Y %i' "$mnt/clients")"
}

test_parent_has_no_write_bits() {
	store_of_pair
	chmod 666 "$store/master.vhdx" "$store/clients/pc.vhdx"
	mount_store "$store" "$mnt"
	equal "master" 444 "$(stat -c %a "$master")"
	equal "child" 666 "$(stat -c %a "$child")"
}

test_grandparent_has_no_write_bits() {
	store_of_pair
	vhdfs-img create --parent "$store/clients/pc.vhdx" "$store/grand.vhdx"
	chmod 666 "$store"/*.vhdx "$store"/*/*.vhdx
	mount_store "$store" "$mnt"
	equal "modes" "444 444 666" "$(stat -c %a "$master" "$child" \
		"$mnt/grand.vhdx.raw" | paste -sd ' ')"
	# The master stays a parent if the image between is missing.
	mv "$store/clients/pc.vhdx" "$store/pc.off"
	equal "grandchild" 0 "$(stat -c %a "$mnt/grand.vhdx.raw")"
	mv "$store/pc.off" "$store/clients/pc.vhdx"
	rm "$store/master.vhdx"
	equal "child, broken" 0 "$(stat -c %a "$child")"
}

test_parent_of_a_broken_child_has_no_write_bits() {
	store_of_pair
	vhdfs-img create --parent "$store/clients/pc.vhdx" "$store/grand.vhdx"
	chmod 666 "$store"/*.vhdx "$store"/*/*.vhdx
	rm "$store/master.vhdx"
	mount_store "$store" "$mnt"
	expect 1 file-io "$child" rw
	equal "child's error" EIO "$(cat "$scratch/stdout")"
}

test_view_of_a_read_only_file_has_no_write_bits() {
	store_of_pair
	chmod 444 "$store/clients/pc.vhdx"
	mount_store "$store" "$mnt"
	equal "child" 444 "$(stat -c %a "$child")"
}

test_view_on_a_read_only_mount_has_no_write_bits() {
	store_of_pair
	mount_store "$store" "$mnt" -o ro
	equal "child" 444 "$(stat -c %a "$child")"
}

expected_attributes() {
	local id
	id=$(key "$store/clients/pc.$ending" id)
	equal "child's format" "$ending" "$(attribute "$child" format)"
	equal "child's type" differencing "$(attribute "$child" type)"
	equal "child's parent" "master.$ending" "$(attribute "$child" parent)"
	equal "child's depth" 1 "$(attribute "$child" depth)"
	equal "child's id" "$id" "$(attribute "$child" id)"
	attribute "$child" id | grep -Eq \
		'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' ||
		fail "expected a GUID, found $(attribute "$child" id)"
	equal "child's" "depth format id inode parent type" "$(attributes "$child")"
	equal "master's type" dynamic "$(attribute "$master" type)"
	equal "master's depth" 0 "$(attribute "$master" depth)"
	equal "master's" "depth format id inode type" "$(attributes "$master")"
}

test_vhdx_views_have_their_extended_attributes() {
	store_of_pair vhdx
	mount_store "$store" "$mnt"
	expected_attributes
}

test_vhd_views_have_their_extended_attributes() {
	store_of_pair vhd
	mount_store "$store" "$mnt"
	expected_attributes
}

test_fixed_image_has_type_fixed() {
	store_of_pair
	vhdfs-img create --size 4M --fixed "$store/fixed.vhd"
	mount_store "$store" "$mnt"
	equal "type" fixed "$(attribute "$mnt/fixed.vhd.raw" type)"
}

test_attributes_cannot_be_changed() {
	store_of_pair
	mount_store "$store" "$mnt"
	expect 1 setfattr -n user.vhdfs.id -v x "$child"
	grep -q 'Operation not permitted' "$scratch/stderr" ||
		fail "expected EPERM, found: $(cat "$scratch/stderr")"
	expect 1 setfattr -x user.vhdfs.id "$child"
	expect 1 setfattr -n user.other -v x "$mnt/clients"
	expect 1 getfattr -n user.other "$child"
}

# The first write gives a VHDX image a new identifier.
test_first_write_changes_the_id() {
	store_of_pair
	mount_store "$store" "$mnt"
	local before during after
	before=$(attribute "$child" id)
	hold_view "$child" rw
	equal "id, open and not written" "$before" "$(attribute "$child" id)"
	file-io "$child" rw write 0 x
	during=$(attribute "$child" id)
	[ "$during" != "$before" ] || fail "expected another id than $before"
	release_view
	unmount "$mnt"
	after=$(key "$store/clients/pc.vhdx" id)
	equal "id, closed" "$during" "$after"
}

test_broken_image_is_shown_with_its_error() {
	store_of_pair
	printf 'x' | dd of="$store/master.vhdx" bs=1 conv=notrunc status=none
	truncate -s 10000 "$store/short.vhd"
	mount_store "$store" "$mnt"
	equal "master" "0 0" "$(stat -c '%s %a' "$master")"
	equal "child" "0 0" "$(stat -c '%s %a' "$child")"
	equal "short" "0 0" "$(stat -c '%s %a' "$mnt/short.vhd.raw")"
	local name
	for name in "$master" "$child" "$mnt/short.vhd.raw"; do
		[ -n "$(attribute "$name" error)" ] ||
			fail "$name: expected an error"
		# The error is logged once, whatever the number of lookups.
		stat "$name" "$name" >/dev/null
		equal "lines of log" 1 \
			"$(grep -cxF "vhdfs: $(attribute "$name" error)" \
				"$mnt.log")"
	done
	# The log has one line for the master and its child, and one for the
	# reserve.
	equal "lines of log" 3 "$(wc -l <"$mnt.log")"
}

test_root_directory_tells_the_reserve_and_the_deaths_of_workers() {
	store_of_pair
	mount_store "$store" "$mnt" -o reserve=5M
	equal "reserve" $((5 << 20)) "$(attribute "$mnt" reserve)"
	equal "deaths" 0 "$(attribute "$mnt" worker-deaths)"
	equal "names" "io-errors reserve state worker-deaths" "$(getfattr \
		--absolute-names -d "$mnt" | sed -n 's/^user.vhdfs.\(.*\)=.*/\1/p' |
		sort | paste -sd ' ')"
}

# A write past the end, which no kernel sends, or to a view without write
# permission is no failure of the disk.
test_root_directory_tells_the_failures_of_each_image() {
	store_of_pair
	mount_store "$store" "$mnt"
	cat "$child" >/dev/null
	equal "before" 0 "$(attribute "$mnt" io-errors)"
	setfattr -n user.vhdfs.quota -v 4096 "$child"
	! dd if=/dev/urandom of="$child" bs=1M count=1 conv=notrunc,fsync \
		oflag=direct 2>/dev/null || fail "expected a write beyond the quota to fail"
	attribute "$mnt" io-errors >"$scratch/told"
	grep -Eqx '[1-9][0-9]* clients/pc.vhdx' "$scratch/told" ||
		fail "expected failures of the image, found: $(cat "$scratch/told")"
	equal "images" 1 "$(tail -n +2 "$scratch/told" | grep -c .)"
	equal "sum" "$(head -n 1 "$scratch/told")" \
		"$(sed -n '2s/ .*//p' "$scratch/told")"
}

test_statfs_is_that_of_the_store() {
	store_of_pair
	mount_store "$store" "$mnt"
	equal "file system" "$(stat -f -c '%s %b' "$store")" \
		"$(stat -f -c '%s %b' "$mnt")"
}

test_modified_vhd_parent_causes_a_warning() {
	store_of_pair vhd
	mount_store "$store" "$mnt"
	! attribute "$child" warning 2>/dev/null || fail "expected no warning"
	unmount "$mnt"
	chmod u+w "$store/master.vhd"
	touch -d 2026-01-02T03:04:05Z "$store/master.vhd"
	mount_store "$store" "$mnt"
	attribute "$child" warning | grep -q 'parent time stamp at offset 568:'
	grep -q 'parent time stamp at offset 568:' "$mnt.log"
	file-io "$child" rw write 0 hello
}

run_tests
