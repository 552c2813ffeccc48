#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The nbdkit plugin: the sample images, made by Windows and others.  Their manifest was
# made with a reader that shares no code with this project.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "$top_srcdir/tests/nbdkit/common.sh"

# The parent of the differencing samples.
parent_of() {
	case $1 in
	ntfs-differential.vhd) echo ntfs-parent.vhd ;;
	fat-differential.vhdx) echo fat-parent.vhdx ;;
	esac
}

# MANIFEST has no hash of a disk that is all zeros.
check_sample() {
	local name=$1 size=$2 hash=$3 before parent

	parent=$(parent_of "$name")
	[ -z "$parent" ] || unpack_sample "$parent"
	unpack_sample "$name"
	before=$(sha256_of "$scratch/$name")
	with_disk 'nbdcopy "$uri" '"$scratch/out.raw" -r "$scratch/$name"
	equal "$name: size" "$size" "$(size_of "$scratch/out.raw")"
	if [ "$hash" = - ]; then
		equal "$name: blocks" 0 "$(stat -c %b "$scratch/out.raw")"
	else
		equal "$name: hash" "$hash" "$(sha256_of "$scratch/out.raw")"
	fi
	equal "$name: the image itself" "$before" \
		"$(sha256_of "$scratch/$name")"
	rm "$scratch"/*
}

test_samples_equal_their_manifest() {
	local name size hash rest count=0

	sample_manifest >"$lib_dir/manifest"
	while IFS=$'\t' read -r name size hash rest; do
		check_sample "$name" "$size" "$hash"
		count=$((count + 1))
	done <"$lib_dir/manifest"
	[ "$count" -gt 10 ] || fail "expected more than 10 samples, found $count"
}

run_tests
