#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Images that another program replaces in place: the file keeps its name and inode,
# and holds another image, or none.  Cached data of an image is valid for one open of
# the image.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

# store_of_kinds: mounts a store with the image a.vhdx of 64 MiB, and creates its
# successors outside the store, each with data at its end: larger, smaller, other (the
# other format), same (of the same size), and broken.
store_of_kinds() {
	empty_store
	view=$mnt/a.vhdx.raw
	vhdfs-img create --size 64M "$store/a.vhdx"
	vhdfs-img create --size 64M "$scratch/same"
	vhdfs-img create --size 128M "$scratch/larger"
	vhdfs-img create --size 32M "$scratch/smaller"
	vhdfs-img create --size 48M --format vhd "$scratch/other"
	disk-io "$store/a.vhdx" write 0 65536 1
	disk-io "$scratch/same" write 0 65536 6
	disk-io "$scratch/larger" write 134152192 65536 2
	disk-io "$scratch/smaller" write 33488896 65536 3
	disk-io "$scratch/other" write 50266112 65536 4
	head -c 3M /dev/urandom >"$scratch/broken"
	mount_store "$store" "$mnt"
}

# shows FILE: expects that the view equals FILE, and that no worker died.
shows() {
	local size=0
	if [ "${1##*/}" != broken ]; then
		size=$(vhdfs-img info --json "$1" | jq -r '."virtual-size"')
		disk-io "$1" read 0 - | cmp - "$view"
		answers "" "$view" ro read "$size" 4096
	else
		opens "$view" ro EIO
	fi
	equal "size with $1" "$size" "$(size_of "$view")"
	no_worker_died
}

no_worker_died() {
	! grep -q 'worker' "$mnt.log" ||
		fail "expected no death of a worker: $(cat "$mnt.log")"
}

test_closed_image_replaced_in_place_shows_the_new_disk() {
	store_of_kinds
	local kind
	for kind in larger smaller other broken larger same smaller; do
		file-io "$view" rw read 0 4096 | wc -c >/dev/null || true
		cp "$scratch/$kind" "$store/a.vhdx"
		shows "$scratch/$kind"
	done
}

# A reader continues with the new image; it gets an error if there is none.
test_reader_of_an_image_replaced_in_place_reads_the_new_disk() {
	store_of_kinds
	local kind
	exec {fd}<"$view"
	for kind in larger smaller other broken same larger; do
		head -c 4096 <&"$fd" >/dev/null || true
		cp "$scratch/$kind" "$store/a.vhdx"
		size_of "$view" >/dev/null
		shows "$scratch/$kind"
		[ "$kind" = broken ] ||
			disk-io "$scratch/$kind" read 0 - | cmp - "/proc/self/fd/$fd"
	done
	exec {fd}<&-
}

# A change that keeps the file's size and time invalidates the kernel's page cache,
# too.
test_replacement_with_equal_size_and_time_is_detected() {
	store_of_kinds
	truncate -s "$(stat -c %s "$scratch/same")" "$store/a.vhdx"
	exec {fd}<"$view"
	cmp -n 65536 "$view" <(disk-io "$store/a.vhdx" read 0 65536)
	cp -p "$store/a.vhdx" "$scratch/stamp"
	cp "$scratch/same" "$store/a.vhdx"
	touch -r "$scratch/stamp" "$store/a.vhdx"
	size_of "$view" >/dev/null
	wait_until 30 same_bytes "$scratch/same" "/proc/self/fd/$fd"
	exec {fd}<&-
}

same_bytes() {
	cmp -s -n 65536 <(disk-io "$1" read 0 65536) "$2"
}

# Nothing of the old image is written to the new one.
test_replacement_receives_no_data_of_the_old_image() {
	store_of_kinds
	local kind
	for kind in larger smaller other broken same; do
		vhdfs-img create --size 64M "$scratch/fresh.vhdx"
		cp "$scratch/fresh.vhdx" "$store/a.vhdx"
		rm "$scratch/fresh.vhdx"
		hold_view "$view" rw write 0 old write 1048576 old fsync \
			write 40000000 old
		cp "$scratch/$kind" "$store/a.vhdx"
		# The close reports the loss.
		release_view || true
		cmp "$scratch/$kind" "$store/a.vhdx" ||
			fail "$kind: expected an unchanged replacement"
		shows "$scratch/$kind"
	done
	grep -q 'a.vhdx: was replaced by another program' "$mnt.log" ||
		fail "expected 'was replaced' in the log: $(cat "$mnt.log")"
}

# replaced_under_a_client BY BEFORE... -- AFTER...: runs commands of file-io before
# and after the replacement, and sets $answers to their output.  No other request
# reaches the mount meanwhile, as under tgtd.
replaced_under_a_client() {
	local by=$1 before=() pid go

	shift
	while [ "$1" != -- ]; do
		before+=("$1")
		shift
	done
	shift
	rm -f "$scratch/go" "$scratch/out"
	mkfifo "$scratch/go"
	file-io "$view" rw answers "${before[@]}" hold "$@" \
		<"$scratch/go" >"$scratch/out" &
	pid=$!
	exec {go}>"$scratch/go"
	wait_until 30 grep -q holding "$scratch/out"
	cp "$by" "$store/$(basename "$view" .raw)"
	exec {go}>&-
	wait "$pid" || true
	answers=$(paste -sd ' ' "$scratch/out")
}

test_writes_after_the_replacement_fail() {
	store_of_kinds
	for kind in smaller same other; do
		vhdfs-img create --size 64M "$scratch/fresh.vhdx"
		cat "$scratch/fresh.vhdx" >"$store/a.vhdx"
		rm "$scratch/fresh.vhdx"
		replaced_under_a_client "$scratch/$kind" write 0 old fsync -- \
			write 8388608 new fsync read 0 3
		equal "answers" "ok ok holding ok EIO EIO EIO EIO" "$answers"
		cmp "$scratch/$kind" "$store/a.vhdx" ||
			fail "$kind: expected an unchanged replacement"
		shows "$scratch/$kind"
	done
}

test_writes_after_the_replacement_of_a_vhd_fail() {
	empty_store
	view=$mnt/a.vhd.raw
	vhdfs-img create --size 64M "$store/a.vhd"
	vhdfs-img create --size 64M --format vhd "$scratch/same"
	disk-io "$scratch/same" write 4194304 65536 6
	mount_store "$store" "$mnt"
	replaced_under_a_client "$scratch/same" write 0 old fsync -- \
		write 8388608 new write 34603008 new fsync
	equal "answers" "ok ok holding ok EIO EIO EIO EIO" "$answers"
	cmp "$scratch/same" "$store/a.vhd" ||
		fail "expected an unchanged replacement"
	shows "$scratch/same"
}

# Unflushed writes before the replacement are lost: the next flush fails.
test_flush_after_the_replacement_fails() {
	store_of_kinds
	replaced_under_a_client "$scratch/same" write 0 old fsync \
		write 8388608 new -- fsync
	equal "answers" "ok ok ok holding ok EIO EIO" "$answers"
	cmp "$scratch/same" "$store/a.vhdx" ||
		fail "expected an unchanged replacement"
}

# Open children of the parent get an error, not the bytes of another image.
test_child_fails_while_its_parent_is_replaced_in_place() {
	local kind ending
	for ending in vhdx vhd; do
		store_of_pair "$ending"
		mount_store "$store" "$mnt"
		cp "$store/master.$ending" "$scratch/good"
		for kind in 128M 64M 32M; do
			hold_view "$child" ro read 0 4096
			vhdfs-img create --size "$kind" --format "$ending" \
				"$scratch/new"
			chmod u+w "$store/master.$ending"
			cp "$scratch/new" "$store/master.$ending"
			rm "$scratch/new"
			equal "size" 0 "$(size_of "$child")"
			opens "$child" ro EIO
			release_view
			cp "$scratch/good" "$store/master.$ending"
			equal "size" 67108864 "$(size_of "$child")"
			cmp "$child" "$master"
		done
		no_worker_died
		unmount "$mnt"
		rm -r "$store" "$scratch/good"
		rmdir "$mnt"
	done
}

test_writer_keeps_its_own_data_when_its_parent_is_replaced() {
	store_of_pair
	mount_store "$store" "$mnt"
	rm -f "$scratch/go"
	mkfifo "$scratch/go"
	file-io "$child" rw answers write 1048576 new fsync hold read 0 4096 \
		read 1048576 3 fsync <"$scratch/go" >"$scratch/out" &
	local pid=$! go
	exec {go}>"$scratch/go"
	wait_until 30 grep -q holding "$scratch/out"
	chmod u+w "$store/master.vhdx"
	cp "$store/master.vhdx" "$scratch/good"
	vhdfs-img create --size 64M "$scratch/new.vhdx"
	cp "$scratch/new.vhdx" "$store/master.vhdx"
	size_of "$master" >/dev/null
	exec {go}>&-
	wait "$pid" || true
	equal "answers" "ok ok holding ok EIO newok ok ok" \
		"$(paste -sd ' ' "$scratch/out")"
	cp "$scratch/good" "$store/master.vhdx"
	equal "child" new "$(file-io "$child" ro read 1048576 3)"
	no_worker_died
}

# A change of attributes alone does not affect open children.
test_parent_with_changed_attributes_stays_open() {
	store_of_pair
	mount_store "$store" "$mnt"
	exec {fd}<"$child"
	chmod 0600 "$store/master.vhdx"
	touch "$store/master.vhdx"
	mv "$store/master.vhdx" "$store/clients/master.vhdx"
	size_of "$mnt/clients/master.vhdx.raw" >/dev/null
	cmp "/proc/self/fd/$fd" "$mnt/clients/master.vhdx.raw"
	exec {fd}<&-
}

run_tests
