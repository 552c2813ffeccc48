#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img delete-snapshot of a snapshot without a parent, with failing system calls
# and allocations, and killed before each system call: every disk stays, and the next
# command removes the snapshot.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "${0%/*}/faults.sh"

# Makes an image without a parent in "first": the snapshot "one", of which the
# snapshot "two" and the image are children.  NAME.model has the disk of each, and
# now.model that of the image.
make_images() {
	requires_faults
	ending=$1
	mkdir "$scratch/first"
	image=$scratch/first/pc1.$1
	vhdfs-img create --size 6M "$image"
	disk-io "$image" write 100 1500000 1
	keep one
	disk-io "$image" write 1000000 1300000 2
	keep two
	vhdfs-img revert --discard "$image" one
	disk-io "$image" write 2000000 1300000 3
	disk-io "$image" read 0 - >"$scratch/now.model"
	image=$dir/pc1.$1
}

keep() {
	vhdfs-img snapshot "$image" "$1"
	disk-io "$image" read 0 - >"$scratch/$1.model"
}

prepare() {
	rm -rf "${dir:?}"
	cp -a "$scratch/first" "$dir"
}

# shows FILE MODEL: the file exists, is sound, and has its disk.
shows() {
	disk-io "$1" read 0 - 2>/dev/null | cmp -s - "$scratch/$2.model" ||
		wrong "${1##*/} shows another disk"
	vhdfs-img check "$1" >/dev/null || wrong "${1##*/} is unsound"
}

outcome() {
	local one=$dir/pc1@one.$ending two=$dir/pc1@two.$ending

	[ "$status" != 0 ] || [ ! -e "$one" ] || wrong "pc1@one exists"
	[ ! -e "$one" ] || shows "$one" one
	shows "$two" two
	shows "$image" now
	if [ -e "$one" ]; then
		vhdfs-img delete-snapshot --copy "$image" one \
			>"$scratch/next" 2>&1 ||
			wrong "the next command: $(cat "$scratch/next")"
	fi
	[ ! -e "$one" ] || wrong "the next command left pc1@one"
	protected "$two"
	shows "$two" two
	shows "$image" now
	[ "$(vhdfs-img snapshots --json "$image" | jq -c '[.[].name]')" = \
		'["two"]' ] || wrong "expected the snapshot two"
	[ "$(key "$two" type)" = dynamic ] || wrong "pc1@two has a parent"
	[ "$(key "$image" type)" = dynamic ] || wrong "the image has a parent"
}

# The store that the command opens logs lines of its own, in threads: how many lines
# there are is not compared.
check_common() {
	case $fault:$status in
	*:0 | *:1 | kill*:137) ;;
	*) wrong "expected exit status 0 or 1, found $status" ;;
	esac
}

# injects KINDS
injects() {
	requires jq
	inject "delete-snapshot, $ending" "$1" \
		vhdfs-img delete-snapshot --copy "$image" one
}

kinds="$file_faults kill:once"

test_delete_snapshot_vhd() {
	make_images vhd
	injects "$kinds"
}

test_delete_snapshot_vhdx() {
	make_images vhdx
	injects "$kinds"
}

test_delete_snapshot_without_memory() {
	make_images vhd
	injects "$memory_faults"
}

run_tests
