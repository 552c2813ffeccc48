#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A parent in use is replaced by its equal, and that is killed: the next command
# continues the copy if it fits, and else removes it; so does delete-snapshot.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "${0%/*}/faults.sh"

requires jq

# The bytes that the parent stores: more than a copy has between two flushes.
stored=$((160 << 20))

# make_parent ENDING: the master m, a new master n, and p, a child of m with a child; a
# reader has p open.
make_parent() {
	requires_faults
	ending=$1
	cd "$dir" || exit
	vhdfs-img create --size 192M "m.$1"
	vhdfs-img create --size 192M "n.$1"
	vhdfs-img create --parent "m.$1" "p.$1"
	disk-io "p.$1" write 1000000 $stored 1
	vhdfs-img create --parent "p.$1" "kid.$1"
	disk-io "p.$1" read 0 - >"$scratch/p.model"
	hold "$dir/p.$1" "verify 0 0 0"
}

rebase_to() {
	faulty vhdfs-img rebase --json --parent "$1.$ending" "p.$ending"
}

# kill_late COMMAND...: kills the command when it has written nine tenths.
kill_late() {
	local writes

	cp -a "$dir" "$scratch/before"
	arm kill once 1000000 write
	run_armed "$@"
	writes=$seen
	equal status 0 "$status"
	release
	find "$dir" -mindepth 1 -delete
	cp -a "$scratch/before/." "$dir"
	hold "$dir/p.$ending" "verify 0 0 0"
	arm kill once $((writes * 9 / 10)) write
	run_armed "$@"
	disarm
	equal status 137 "$status"
	[ -e ".p.$ending.leaf" ] || fail "expected a copy that is not complete"
}

# copied COMMAND...: runs it, and prints how many bytes it has copied.
copied() {
	"$@" | jq .copied
}

is_replaced() {
	disk-io "p.$ending" read 0 - | cmp - "$scratch/p.model"
	disk-io "kid.$ending" read 0 - | cmp - "$scratch/p.model"
	vhdfs-img check "p.$ending" >"$scratch/check"
	equal "hidden files" "" "$(find . -name '.?*')"
	equal attributes "" "$(getfattr -d "p.$ending" 2>&1)"
}

copy_is_continued() {
	local rest

	make_parent "$1"
	kill_late vhdfs-img rebase --parent "n.$ending" "p.$ending"
	rest=$(copied rebase_to n)
	[ "$rest" -lt $((stored / 2)) ] ||
		fail "expected less than half of $stored, copied $rest"
	is_replaced
}

test_copy_of_a_killed_replacement_is_continued_vhd() {
	copy_is_continued vhd
}

test_copy_of_a_killed_replacement_is_continued_vhdx() {
	copy_is_continued vhdx
}

test_copy_for_another_parent_is_not_continued() {
	make_parent vhdx
	kill_late vhdfs-img rebase --parent "n.$ending" "p.$ending"
	vhdfs-img create --size 192M o.vhdx
	disk-io o.vhdx write 0 3000000 2
	[ "$(copied rebase_to o)" -ge $stored ] ||
		fail "expected a copy that begins anew"
	is_replaced
}

# Its creation may not be durable.
test_copy_without_a_mark_is_not_continued() {
	make_parent vhd
	kill_late vhdfs-img rebase --parent "n.$ending" "p.$ending"
	setfattr -x user.vhdfs.copy .p.vhd.leaf
	[ "$(copied rebase_to n)" -ge $stored ] ||
		fail "expected a copy that begins anew"
	is_replaced
}

# A power cut may have lost contents whose sectors the copy stores.
test_contents_of_a_continued_copy_are_compared() {
	local off

	make_parent vhdx
	kill_late vhdfs-img rebase --parent "n.$ending" "p.$ending"
	off=$(vhdfs-img map --json .p.vhdx.leaf |
		jq 'first(.[] | select(.depth == 0 and .data)).offset')
	dd if=/dev/zero of=.p.vhdx.leaf bs=4096 seek=$((off / 4096 + 300)) \
		count=1 conv=notrunc status=none
	[ "$(copied rebase_to n)" -lt $((stored / 2)) ] ||
		fail "expected a copy that is continued"
	is_replaced
}

# A child that no program has open gets the copies itself.
test_check_names_a_copy_that_was_left_and_removes_it() {
	make_parent vhdx
	kill_late vhdfs-img rebase --parent n.vhdx p.vhdx
	expect 0 vhdfs-img check p.vhdx
	grep -q '^warning: .*/\.p\.vhdx\.leaf takes [0-9]* bytes' "$scratch/stdout" ||
		fail "expected the copy's name, found: $(cat "$scratch/stdout")"
	release
	expect 0 vhdfs-img check --repair p.vhdx
	[ ! -e .p.vhdx.leaf ] || fail "expected no copy"
	is_replaced
}

test_killed_rebase_copies_nothing_twice() {
	requires_faults
	cd "$dir" || exit
	vhdfs-img create --size 192M m.vhd
	vhdfs-img create --size 192M n.vhd
	disk-io m.vhd write 1000000 $stored 1
	vhdfs-img create --parent m.vhd kid.vhd
	arm kill once 2400 write
	run_armed vhdfs-img rebase --parent n.vhd kid.vhd
	disarm
	equal status 137 "$status"
	vhdfs-img rebase --json --parent n.vhd kid.vhd >"$scratch/json"
	[ "$(jq .copied "$scratch/json")" -lt $((stored / 2)) ] ||
		fail "expected less than half of $stored: $(cat "$scratch/json")"
	disk-io m.vhd read 0 - | cmp - <(disk-io kid.vhd read 0 -)
}

# A reader that is no mount would keep the snapshot.
test_removal_of_a_snapshot_continues_the_copy_of_its_child() {
	local rest

	make_parent vhdx
	release
	hold() {
		mount_store "$dir" "$scratch/mnt"
		exec 9<"$scratch/mnt/kid.vhdx.raw"
	}
	release() {
		exec 9<&-
		unmount "$scratch/mnt"
	}
	vhdfs-img create --parent m.vhdx q.vhdx
	vhdfs-img snapshot q.vhdx gone
	vhdfs-img rebase --parent q@gone.vhdx p.vhdx
	hold
	kill_late vhdfs-img delete-snapshot --copy q.vhdx gone
	rest=$(copied vhdfs-img delete-snapshot --json --copy q.vhdx gone)
	[ "$rest" -lt $((stored / 2)) ] ||
		fail "expected less than half of $stored, copied $rest"
	[ ! -e q@gone.vhdx ] || fail "expected no snapshot"
	cmp "$scratch/mnt/kid.vhdx.raw" "$scratch/p.model"
	is_replaced
}

test_copy_that_is_not_continued_is_removed_with_a_snapshot() {
	make_parent vhdx
	kill_late vhdfs-img rebase --parent "n.$ending" "p.$ending"
	vhdfs-img create --size 1M q.vhdx
	vhdfs-img snapshot q.vhdx any
	vhdfs-img delete-snapshot q.vhdx any
	is_replaced
}

# Nothing has it open any more.
test_copy_that_is_not_continued_is_removed_by_a_rebase_in_place() {
	make_parent vhdx
	kill_late vhdfs-img rebase --parent "n.$ending" "p.$ending"
	release
	vhdfs-img rebase --parent "n.$ending" "p.$ending"
	is_replaced
}

run_tests
