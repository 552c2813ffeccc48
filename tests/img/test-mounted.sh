#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img on images that a mount has open and locked.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "$top_srcdir/tests/mount/common.sh"

requires jq

# Opens the view of a child for writing, as tgtd does, and writes without a
# flush.
open_view() {
	requires_fuse
	mkdir "$scratch/s"
	vhdfs-img create --size 20M "$scratch/s/p.$1"
	disk-io "$scratch/s/p.$1" write 0 100000 1
	vhdfs-img create --parent "$scratch/s/p.$1" "$scratch/s/c.$1"
	mount_store "$scratch/s" "$scratch/m"
	exec 7<>"$scratch/m/c.$1.raw"
	dd if=/dev/urandom bs=4096 count=10 status=none >&7
}

close_view() {
	exec 7>&-
	unmount "$scratch/m"
	rm -rf "$scratch/s"
}

test_info_reports_in_use() {
	local format

	for format in vhd vhdx; do
		open_view "$format"
		equal in-use true "$(key "$scratch/s/c.$format" in-use)"
		equal type differencing "$(key "$scratch/s/c.$format" type)"
		equal "parent's in-use" true \
			"$(key "$scratch/s/p.$format" in-use)"
		vhdfs-img info "$scratch/s/c.$format" >"$scratch/words"
		grep -q '^in-use: *yes, by vhdfs (process ' "$scratch/words"
		close_view
	done
}

test_map_notes_in_use() {
	local format

	for format in vhd vhdx; do
		open_view "$format"
		expect 0 vhdfs-img map --json "$scratch/s/c.$format"
		grep -q 'in use by vhdfs (process ' "$scratch/stderr"
		equal "sum of lengths" 20971520 \
			"$(jq 'map(.length) | add' "$scratch/stdout")"
		close_view
	done
}

# Every close flushes, so no other process may open the view.
test_check_refuses_unflushed_changes() {
	local format

	for format in vhd vhdx; do
		open_view "$format"
		exec 7>&-
		hold_view "$scratch/m/c.$format.raw" rw write 0 text
		expect_error 1 "c\.$format: .*in use by vhdfs" \
			vhdfs-img check "$scratch/s/c.$format"
		expect_error 1 "p\.$format: .*in use by vhdfs" \
			vhdfs-img check --repair "$scratch/s/p.$format"
		release_view
		close_view
	done
}

test_check_accepts_an_open_image_that_is_flushed() {
	local format

	for format in vhd vhdx; do
		open_view "$format"
		sync -d "$scratch/m/c.$format.raw"
		expect 0 vhdfs-img check "$scratch/s/c.$format"
		grep -q "c\.$format: in use by vhdfs (process " \
			"$scratch/stdout"
		grep -q "c\.$format: sound" "$scratch/stdout"
		close_view
	done
}

test_create_accepts_a_parent_that_a_mount_reads() {
	local format

	for format in vhd vhdx; do
		open_view "$format"
		vhdfs-img create --parent "$scratch/s/p.$format" \
			"$scratch/s/d.$format"
		wait_until 5 test -s "$scratch/m/d.$format.raw"
		cmp "$scratch/m/d.$format.raw" "$scratch/m/p.$format.raw"
		expect_error 1 'in use by vhdfs' vhdfs-img create --parent \
			"$scratch/s/c.$format" "$scratch/s/e.$format"
		close_view
	done
}

# The mount shows neither the temporary file nor an incomplete image.
test_mount_shows_a_converted_image_when_it_is_complete() {
	local names pid

	requires_fuse
	mkdir "$scratch/s"
	mount_store "$scratch/s" "$scratch/m"
	make_model "$scratch/a.raw" 400M
	disk-io "$scratch/a.raw" write 0 - 1
	vhdfs-img convert "$scratch/a.raw" "$scratch/s/a.vhdx" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		names=$(ls -A "$scratch/m")
		[ -n "$names" ] || continue
		equal names a.vhdx.raw "$names"
		cmp -n 1000000 "$scratch/a.raw" "$scratch/m/a.vhdx.raw"
	done
	wait "$pid"
	cmp "$scratch/a.raw" "$scratch/m/a.vhdx.raw"
	unmount "$scratch/m"
}

run_tests
