#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Snapshots of images in a mounted store: what the mount shows of them, and what it
# does about a snapshot that was interrupted.
. "${0%/*}/../lib.sh"
. "${0%/*}/common.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

# make_store ENDING: a store with a master and its child pc1, whose disk is in
# $scratch/model; mounted.
make_store() {
	e=$1
	rm -rf "$scratch/store"
	empty_store
	make_model "$scratch/model" 20M
	vhdfs-img create --size 20M "$store/m.$e"
	vhdfs-img create --parent "$store/m.$e" "$store/pc1.$e"
	put_random "$store/pc1.$e" "$scratch/model" 10
}

test_snapshot_is_shown_read_only_beside_the_image() {
	local format

	choose_seed
	for format in vhd vhdx; do
		rm -f "$scratch/model"
		make_store $format
		mount_store "$store" "$mnt"
		vhdfs-img snapshot "$store/pc1.$e" before
		wait_until 10 [ -e "$mnt/pc1@before.$e.raw" ]
		equal mode 444 "$(stat -c %a "$mnt/pc1@before.$e.raw")"
		cp "$scratch/model" "$scratch/before"
		put "$mnt/pc1.$e.raw" "$scratch/model" write 4096 65536 7
		cmp "$mnt/pc1.$e.raw" "$scratch/model"
		cmp "$mnt/pc1@before.$e.raw" "$scratch/before"
		! dd if=/dev/zero of="$mnt/pc1@before.$e.raw" bs=512 count=1 \
			conv=notrunc 2>/dev/null || fail "a snapshot was written"
		equal parent "pc1@before.$e" \
			"$(attribute "$mnt/pc1.$e.raw" parent)"
		unmount "$mnt"
	done
}

test_image_that_a_mount_has_open_is_refused_and_the_mount_named() {
	make_store vhdx
	mount_store "$store" "$mnt"
	exec 9<>"$mnt/pc1.vhdx.raw"
	expect_error 1 "in use by vhdfs .process" \
		vhdfs-img snapshot "$store/pc1.vhdx" s
	exec 9>&-
	wait_until 10 vhdfs-img snapshot "$store/pc1.vhdx" s
}

# killed_snapshot N: a snapshot that is killed before its N-th call on a file; false:
# it has fewer.
killed_snapshot() {
	local control=$scratch/control status=0

	printf '%-127s\n%-127s\n' "1 kill once $1 -" "" >"$control"
	FAULTS=$control LD_PRELOAD=$top_builddir/tests/tools/faults.so \
		vhdfs-img snapshot "$store/pc1.$e" s 2>/dev/null || status=$?
	[ $status != 0 ]
}

test_opening_an_image_finishes_or_undoes_an_interrupted_snapshot() {
	local format n

	[ -f "$top_builddir/tests/tools/faults.so" ] || fail "no faults.so"
	choose_seed
	for format in vhd vhdx; do
		n=1
		rm -f "$scratch/model"
		make_store $format
		mount_store "$store" "$mnt"
		while killed_snapshot $n; do
			put "$mnt/pc1.$e.raw" "$scratch/model" \
				write $((n * 4096)) 512 $n
			cmp "$mnt/pc1.$e.raw" "$scratch/model"
			equal "hidden files after $n" "" \
				"$(find "$store" -name '.pc1*')"
			n=$((n + 3))
			[ ! -e "$store/pc1@s.$e" ] || break
		done
		[ $n -gt 20 ] || fail "expected more than 20 calls, found $n"
		unmount "$mnt"
	done
}

run_tests
