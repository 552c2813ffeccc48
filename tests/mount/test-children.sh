#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Children in a store: the mount finds them by the contents of their files, whatever
# their names and directories, and protects their parents against writes.
. "${0%/*}/../lib.sh"
. "${0%/*}/../contents.sh"
. "${0%/*}/common.sh"

# is_parent: expects that the master's view has no write bits and cannot be opened
# for writing, although its file has write bits.
is_parent() {
	chmod u+w "$store/master.$ending"
	equal "mode: $1" 444 "$(stat -c %a "$master")"
	opens "$master" rw EACCES
}

is_no_parent() {
	chmod 644 "$store/master.$ending"
	equal "mode: $1" 644 "$(stat -c %a "$master")"
	opens "$master" rw ""
}

# moved_about FORMAT: moves the child to names that the mount does not show.
moved_about() {
	local name at=$store/clients/pc.$ending
	store_of_pair "$1"
	at=$store/clients/pc.$ending
	mount_store "$store" "$mnt"
	for name in ".pc.$ending.20261128-101112" "clients/.pc.$ending.Xy12aB" \
		"pc.$ending.bak" pc clients/.hidden/pc."$ending" .trash/a/b/pc; do
		mkdir -p "$(dirname "$store/$name")"
		mv "$at" "$store/$name"
		at=$store/$name
		is_parent "$name"
		[ ! -e "$mnt/$name" ] || fail "expected no $name in the mount"
		[ ! -e "$mnt/$name.raw" ] ||
			fail "expected no $name.raw in the mount"
	done
	equal "names" "clients master.$ending.raw" "$(ls -A "$mnt" | paste -sd ' ')"
	equal "names" "" "$(ls -A "$mnt/clients")"
	[ ! -e "$mnt/.trash" ] || fail "expected no hidden directory in the mount"
	rm "$at"
	is_no_parent "without children"
}

test_vhdx_parent_is_protected_whatever_its_childs_name() {
	moved_about vhdx
}

test_vhd_parent_is_protected_whatever_its_childs_name() {
	moved_about vhd
}

# The mount finds the child when it first reads the store.
test_mount_finds_a_hidden_child() {
	store_of_pair
	mv "$store/clients/pc.vhdx" "$store/clients/.pc.vhdx.1"
	mount_store "$store" "$mnt"
	is_parent hidden
}

test_hidden_child_copied_into_the_store_protects_its_parent() {
	store_of_pair
	mv "$store/clients/pc.vhdx" "$scratch/pc"
	mount_store "$store" "$mnt"
	is_no_parent "before"
	cp "$scratch/pc" "$store/clients/.copy"
	is_parent "after"
}

# An error of a child does not make its parent writable.
test_damaged_child_protects_its_parent() {
	store_of_pair
	mount_store "$store" "$mnt"
	cp "$store/clients/pc.vhdx" "$scratch/good"
	local what
	for what in headers regions both cut; do
		cp "$scratch/good" "$store/clients/pc.vhdx"
		case $what in
		headers) wipe 1 2 ;;
		regions) wipe 3 2 ;;
		both) wipe 1 4 ;;
		cut) truncate -s 1M "$store/clients/pc.vhdx" ;;
		esac
		is_parent "$what"
		equal "$what: size" 0 "$(size_of "$child")"
	done
	rm "$store/clients/pc.vhdx"
	is_no_parent "without it"
}

# wipe FIRST COUNT: overwrites pieces of 64 KiB of the child with zeros.
wipe() {
	dd if=/dev/zero of="$store/clients/pc.vhdx" bs=64K seek="$1" count="$2" \
		conv=notrunc status=none
}

# A broken image without a parent protects no image; one with an unknown parent
# does not prevent clients from writing their own children.
test_broken_image_does_not_prevent_writes_to_other_images() {
	store_of_pair
	vhdfs-img create --size 4M "$store/alone.vhdx"
	cp "$store/alone.vhdx" "$store/clients/broken.vhdx"
	dd if=/dev/zero of="$store/clients/broken.vhdx" bs=64K seek=1 count=4 \
		conv=notrunc status=none
	mount_store "$store" "$mnt"
	opens "$mnt/clients/broken.vhdx.raw" ro EIO
	opens "$mnt/alone.vhdx.raw" rw ""
	truncate -s 1M "$store/clients/broken.vhdx"
	opens "$child" rw ""
}

# A part of an image, which an interrupted copy leaves under a hidden name, may be
# a child of any image: the log and the image that is not written name it.
test_partial_child_is_named_in_the_readonly_reason() {
	local reason

	store_of_pair
	vhdfs-img create --size 4M "$store/alone.vhdx"
	mount_store "$store" "$mnt"
	opens "$mnt/alone.vhdx.raw" rw ""
	! attribute "$mnt/alone.vhdx.raw" readonly-reason 2>/dev/null ||
		fail "expected no readonly-reason"
	head -c 1M "$store/clients/pc.vhdx" >"$store/clients/.partial"
	wait_until 10 is_not_written "$mnt/alone.vhdx.raw"
	reason=$(attribute "$mnt/alone.vhdx.raw" readonly-reason)
	[[ $reason == "may be the parent of clients/.partial, whose parent "* ]] ||
		fail "expected a reason that names the partial child, found: $reason"
	grep -q 'clients/\.partial: .*or move it out of the store' "$mnt.log" ||
		fail "expected the partial child in the log: $(cat "$mnt.log")"
	opens "$child" rw ""
	rm "$store/clients/.partial"
	wait_until 10 opens "$mnt/alone.vhdx.raw" rw ""
	equal "lines about it" 1 "$(grep -c partial "$mnt.log")"
}

is_not_written() {
	[ "$(stat -c %a "$1")" = 444 ]
}

# The signature of files that are no images is read once.
test_files_that_are_no_images_are_read_once() {
	requires strace
	store_of_pair
	echo text >"$store/README"
	mount_store "$store" "$mnt"
	local worker strace_pid
	worker=$(pgrep -P "${mount_pid[$mnt]}" | head -n 1)
	strace -f -qq -o "$scratch/calls" -P "$store/README" \
		-e trace=pread64,preadv2 -p "$worker" 2>/dev/null &
	strace_pid=$!
	wait_until 30 grep -q 'TracerPid:[[:space:]]*[1-9]' "/proc/$worker/status"
	: >"$store/other"
	file-io "$child" rw write 0 abc fsync
	ls -lR "$mnt" >/dev/null
	kill "$strace_pid"
	wait "$strace_pid" || true
	equal "reads" 0 "$(wc -l <"$scratch/calls")"
}

# elsewhere_of ENDING [OPTION...]: a master in the store, its child outside.  The
# child stays valid while the master is read, or opened and not written; after a
# write to the master the child is refused, and shows no mixed contents.
elsewhere_of() {
	local id elsewhere=$scratch/elsewhere

	empty_store
	mkdir "$elsewhere"
	vhdfs-img create --size 8M "${@:2}" "$store/m.$1"
	disk-io "$store/m.$1" write 0 1000000 1
	vhdfs-img create --parent "$store/m.$1" "$elsewhere/c.$1"
	chmod u+w "$store/m.$1"
	disk-io "$elsewhere/c.$1" read 0 1000000 >"$scratch/before"
	mount_store "$store" "$mnt"
	id=$(attribute "$mnt/m.$1.raw" id)

	file-io "$mnt/m.$1.raw" rw fsync
	equal "id after an open without a write" "$id" \
		"$(attribute "$mnt/m.$1.raw" id)"
	expect 0 vhdfs-img check "$elsewhere/c.$1"

	echo changed | dd of="$mnt/m.$1.raw" conv=notrunc,fsync status=none
	[ "$(attribute "$mnt/m.$1.raw" id)" != "$id" ] ||
		fail "expected another id than $id"
	expect 3 vhdfs-img check "$elsewhere/c.$1"
	grep -q "expected a parent with the identifier $id" "$scratch/stdout" ||
		fail "expected an error about the parent's identifier, found:" \
			"$(cat "$scratch/stdout")"
	expect 1 vhdfs-img convert --format raw "$elsewhere/c.$1" "$scratch/raw"
	expect 0 vhdfs-img check "$store/m.$1"
}

test_write_to_a_vhdx_invalidates_a_child_outside_the_store() {
	elsewhere_of vhdx
}

test_write_to_a_dynamic_vhd_invalidates_a_child_outside_the_store() {
	elsewhere_of vhd
}

test_write_to_a_fixed_vhd_invalidates_a_child_outside_the_store() {
	elsewhere_of vhd --fixed
}

run_tests
