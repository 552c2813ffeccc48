#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rebase and delete-snapshot on a file system that has too little room for the copies:
# they are refused before they begin; equal contents need no room.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "$top_srcdir/tests/kill/small-fs.sh"

requires_root
requires jq

# make_child ENDING: on the small file system old.ENDING, its child child.ENDING, and
# new.ENDING, which has nothing of the 20 MiB that the old parent has.  The child's
# disk is in $scratch/model.
make_child() {
	e=$1
	rm -f "$fs"/*.vhd* "$scratch/model"
	make_model "$scratch/model" 24M
	cd "$fs" || exit
	vhdfs-img create --size 24M "old.$e"
	put "old.$e" "$scratch/model" write 1000000 20971520 1
	vhdfs-img create --size 24M "new.$e"
	vhdfs-img create --parent "old.$e" "child.$e"
	put "child.$e" "$scratch/model" write 2000000 100000 2
	cp "child.$e" "$scratch/before"
}

# The command was refused, and changed nothing.
refused() {
	expect_error 1 'room for copies.*: expected .* bytes.* found .* free .* nothing was changed' \
		"$@"
	cmp "child.$e" "$scratch/before"
	equal "mode of the parent" 644 "$(stat -c %a "new.$e")"
}

# json KEY: of the output of the last command.
json() {
	jq "$1" "$scratch/stdout"
}

test_copy_without_room_is_refused_before_it_begins() {
	local format

	make_fs ext4
	for format in vhd vhdx; do
		make_child $format
		fill_fs $((16 << 20))
		refused vhdfs-img rebase --parent "new.$e" "child.$e"
		make_room
		expect 0 vhdfs-img rebase --parent "new.$e" "child.$e"
		rm "old.$e"
		same_disk "child.$e" "$scratch/model"
	done
}

test_copy_to_an_image_without_parent_needs_room() {
	local format

	make_fs ext4
	for format in vhd vhdx; do
		make_child $format
		fill_fs $((16 << 20))
		refused vhdfs-img rebase --no-parent "child.$e"
		make_room
		expect 0 vhdfs-img rebase --no-parent "child.$e"
		rm "old.$e"
		same_disk "child.$e" "$scratch/model"
	done
}

# Zeros that a parent stores are not copied.
test_zeros_need_no_room_in_an_image_without_parent() {
	local format

	make_fs ext4
	for format in vhd vhdx; do
		make_child $format
		chmod u+w "old.$e"
		vhdfs-img create --size 24M "zeros.$e"
		disk-io "zeros.$e" write 1000000 20971520 1 \
			zero 1000000 20971520
		vhdfs-img create --parent "zeros.$e" "empty.$e"
		fill_fs $((4 << 20))
		expect 0 vhdfs-img rebase --json --no-parent "empty.$e"
		equal copied 0 "$(json .copied)"
		make_room
	done
}

# Of an image that clients write the mount makes the copies.
test_copy_of_an_image_in_use_without_room_is_refused() {
	make_fs ext4
	make_child vhdx
	mount_store "$fs" "$scratch/mnt"
	exec 7<>"$scratch/mnt/child.vhdx.raw"
	fill_fs $((16 << 20))
	refused vhdfs-img rebase --parent new.vhdx child.vhdx
	make_room
	expect 0 vhdfs-img rebase --parent new.vhdx child.vhdx
	exec 7>&-
	unmount "$scratch/mnt"
	rm old.vhdx
	same_disk child.vhdx "$scratch/model"
}

# make_parent ENDING: as make_child; the child stores 20 MiB, has a child, and is open.
make_parent() {
	make_child "$1"
	put "child.$e" "$scratch/model" write 1000000 20971520 3
	vhdfs-img create --parent "child.$e" "kid.$e"
	cp "child.$e" "$scratch/before"
	hold "$fs/child.$e" "verify 0 0 0"
}

# It is written again as a whole.
test_copy_of_a_parent_in_use_without_room_is_refused_before_it_begins() {
	local format option

	make_fs ext4
	for format in vhd vhdx; do
		make_parent $format
		fill_fs $((16 << 20))
		for option in "" --unsafe; do
			# shellcheck disable=SC2086 # none, or one
			expect_error 1 "child.$e: room for a copy: expected .* found" \
				vhdfs-img rebase $option --parent "new.$e" "child.$e"
			cmp "child.$e" "$scratch/before"
			equal "hidden files" "" "$(find . -name '.?*')"
		done
		expect 1 vhdfs-img rebase --json --parent "new.$e" "child.$e"
		[ "$(json .needed)" -gt $((20 << 20)) ] ||
			fail "needed: $(json .needed)"
		make_room
		fill_fs $(($(json .needed) + (3 << 20)))
		expect 0 vhdfs-img rebase --parent "new.$e" "child.$e"
		make_room
		release
		same_disk "kid.$e" "$scratch/model"
	done
}

test_rest_of_a_killed_replacement_makes_room() {
	make_fs ext4
	make_child vhdx
	fallocate -l 12M .child.vhdx.leaf
	setfattr -n user.vhdfs.new-leaf -v 1 .child.vhdx.leaf
	fill_fs $((16 << 20))
	expect 0 vhdfs-img rebase --parent new.vhdx child.vhdx
	equal "hidden files" "" "$(find . -name '.?*')"
	rm old.vhdx
	same_disk child.vhdx "$scratch/model"
}

test_json_has_the_room_that_is_needed_and_free() {
	make_fs ext4
	make_child vhdx
	fill_fs $((16 << 20))
	expect 1 vhdfs-img rebase --json --parent new.vhdx child.vhdx
	equal copied 0 "$(json .copied)"
	[ "$(json .free)" -lt $((17 << 20)) ] || fail "free: $(json .free)"
	[ "$(json .needed)" -gt $((20 << 20)) ] || fail "needed: $(json .needed)"
	[ "$(json .needed)" -lt $((24 << 20)) ] || fail "needed: $(json .needed)"
	cmp child.vhdx "$scratch/before"
	make_room
	expect 0 vhdfs-img rebase --json --parent new.vhdx child.vhdx
	equal keys copied,parent "$(json 'keys | join(",")' | tr -d '"')"
}

test_room_that_is_needed_suffices() {
	local format

	choose_seed
	make_fs ext4
	for format in vhd vhdx; do
		make_child $format
		put_random "child.$e" "$scratch/model" 30
		cp "child.$e" "$scratch/before"
		fill_fs $((1 << 20))
		expect 1 vhdfs-img rebase --json --parent "new.$e" "child.$e"
		make_room
		fill_fs $(($(json .needed) + 65536))
		expect 0 vhdfs-img rebase --parent "new.$e" "child.$e"
		make_room
		rm "old.$e"
		same_disk "child.$e" "$scratch/model"
	done
}

# The parent stores everything anew; only contents tell that it is equal.
test_equal_contents_need_no_room() {
	local format

	make_fs ext4
	for format in vhd vhdx; do
		make_child $format
		rm "new.$e"
		vhdfs-img convert "old.$e" "new.$e"
		fill_fs $((1 << 20))
		expect 0 vhdfs-img rebase --json --parent "new.$e" "child.$e"
		equal copied 0 "$(json .copied)"
		make_room
		rm "old.$e"
		same_disk "child.$e" "$scratch/model"
	done
}

# A megabyte of 20 differs.
test_only_what_differs_needs_room() {
	local format

	make_fs ext4
	for format in vhd vhdx; do
		make_child $format
		rm "new.$e"
		vhdfs-img convert "old.$e" "new.$e"
		disk-io "new.$e" write 8000000 1000000 3
		fill_fs $((6 << 20))
		expect 0 vhdfs-img rebase --parent "new.$e" "child.$e"
		make_room
		rm "old.$e"
		same_disk "child.$e" "$scratch/model"
	done
}

# make_snapshot CHILDREN: pc1 with a snapshot s that has 20 MiB, and this number of
# children.
make_snapshot() {
	e=vhdx
	make_model "$scratch/model" 24M
	cd "$fs" || exit
	vhdfs-img create --size 24M m.vhdx
	vhdfs-img create --parent m.vhdx pc1.vhdx
	put pc1.vhdx "$scratch/model" write 1000000 20971520 1
	vhdfs-img snapshot pc1.vhdx s
	[ "$1" = 1 ] || vhdfs-img create --parent pc1@s.vhdx child.vhdx
	sha256sum ./*.vhdx >"$scratch/before"
}

test_snapshot_without_room_for_its_child_is_kept() {
	make_fs ext4
	make_snapshot 1
	fill_fs $((16 << 20))
	expect_error 1 'pc1.vhdx: room for copies: expected .* found' \
		vhdfs-img delete-snapshot pc1.vhdx s
	sha256sum --quiet -c "$scratch/before"
	make_room
	expect 0 vhdfs-img delete-snapshot pc1.vhdx s
	same_disk pc1.vhdx "$scratch/model"
}

# There is room for one child.
test_snapshot_without_room_for_both_children_is_kept() {
	make_fs ext4
	make_snapshot 2
	fill_fs $((32 << 20))
	expect_error 1 'pc1@s.vhdx: room for copies to its children: expected' \
		vhdfs-img delete-snapshot --copy pc1.vhdx s
	sha256sum --quiet -c "$scratch/before"
	make_room
	expect 0 vhdfs-img delete-snapshot --copy pc1.vhdx s
	same_disk pc1.vhdx "$scratch/model"
	same_disk child.vhdx "$scratch/model"
	[ ! -e pc1@s.vhdx ] || fail "the snapshot is there"
}

run_tests
