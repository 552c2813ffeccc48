#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A file that gets a child while another command removes it, or after one was killed that
# had begun to make or to replace it.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires strace

# begin_late FILE COMMAND...: the command, which waits for two seconds before it first
# locks the file; its process is $late.
begin_late() {
	local file=$1

	shift
	strace -D -f -q -o trace -P "$PWD/$file" -e trace=fcntl \
		-e inject=fcntl:delay_enter=2000000:when=1 "$@" 2>late.stderr &
	late=$!
	wait_until 30 grep -q fcntl trace
}

# make_image ENDING: p with random contents, in "model".
make_image() {
	e=$1
	cd "$scratch" || exit
	rm -rf ./* ./.p.*
	choose_seed
	make_model model 8M
	vhdfs-img create --size 8M "p.$e"
	put_random "p.$e" model 5
}

# leave_snapshot_unfinished ENDING [LINK]: p and its snapshot x, of which all is done but
# the last rename; p has another name, a hard link in a directory of its own.
leave_snapshot_unfinished() {
	make_image "$1"
	[ $# = 1 ] || mkdir "${2%/*}"
	[ $# = 1 ] || ln "p.$e" "$2"
	strace -f -q -o trace -P ".p.$e.leaf" -P "$PWD/.p.$e.leaf" -e trace=/^renameat \
		-e inject=/^renameat:signal=KILL:when=1 \
		vhdfs-img snapshot "p.$e" x || true
	[ -e ".p.$e.intent" ] || fail "expected an intent record"
	[ "p.$e" -ef "p@x.$e" ] || fail "expected an unfinished snapshot"
}

# p is a parent, and the snapshot that was not finished is gone.
is_parent() {
	expect_error 1 "an image with children keeps its name" vhdfs-img snapshot "p.$e" y
	equal mode 444 "$(stat -c %a "p.$e")"
	equal hidden "" "$(find . -name '.?*')"
	[ ! -e "p@x.$e" ] || fail "expected no p@x.$e"
}

test_snapshot_that_is_deleted_meanwhile_is_no_parent() {
	local deleted=0 reverted=0

	cd "$scratch" || exit
	for e in vhd vhdx; do
		vhdfs-img create --size 8M "p.$e"
		vhdfs-img snapshot "p.$e" a
		vhdfs-img snapshot "p.$e" b
		vhdfs-img revert --discard "p.$e" a
		rm -f trace
		begin_late "p@b.$e" vhdfs-img revert --discard "p.$e" b
		vhdfs-img delete-snapshot "p.$e" b && deleted=1
		wait "$late" && reverted=1
		vhdfs-img check "p.$e"
		equal "commands that succeeded" 1 $((deleted + reverted))
		deleted=0 reverted=0
	done
}

test_child_of_an_image_whose_snapshot_was_killed() {
	local format

	for format in vhd vhdx; do
		leave_snapshot_unfinished $format
		vhdfs-img create --parent "p.$e" "kid.$e"
		is_parent
		same_disk "kid.$e" model
	done
}

test_unfinished_snapshot_gets_no_child() {
	leave_snapshot_unfinished vhdx
	expect 1 vhdfs-img create --parent p@x.vhdx kid.vhdx
	[ ! -e kid.vhdx ] || fail "expected no child"
	expect 0 vhdfs-img snapshot p.vhdx x
	same_disk p.vhdx model
	same_disk p@x.vhdx model
}

# Its recovery removes the name.
test_old_image_of_an_unfinished_revert_gets_no_child() {
	local old

	make_image vhdx
	vhdfs-img snapshot p.vhdx x
	put_random p.vhdx model 5
	strace -f -q -o trace -P .p.vhdx.leaf -P "$PWD/.p.vhdx.leaf" -e trace=/^renameat \
		-e inject=/^renameat:signal=KILL:when=1 \
		vhdfs-img revert p.vhdx x || true
	old=$(echo .p.vhdx.2*Z)
	[ p.vhdx -ef "$old" ] || fail "expected an unfinished revert"
	expect 1 vhdfs-img create --parent "$old" kid.vhdx
	[ ! -e kid.vhdx ] || fail "expected no child"
	equal hidden "" "$(find . -name '.?*')"
	equal mode 644 "$(stat -c %a p.vhdx)"
	same_disk p.vhdx model
}

test_undo_leaves_a_parent_protected_whose_child_is_of_another_name() {
	local format

	for format in vhd vhdx; do
		leave_snapshot_unfinished $format d/link.$format
		vhdfs-img create --parent "d/link.$e" "d/kid.$e"
		is_parent
		same_disk "d/kid.$e" model
	done
}

# Also as root, for which the kernel opens the view.
test_mount_leaves_a_parent_protected_whose_child_is_of_another_name() {
	leave_snapshot_unfinished vhdx d/link.vhdx
	vhdfs-img create --parent d/link.vhdx d/kid.vhdx
	mount_store "$scratch" "$scratch.mnt"
	! bash -c ': <>"$1"' - "$scratch.mnt/p.vhdx.raw" 2>stderr ||
		fail "expected no open of a parent for writing"
	equal mode 444 "$(stat -c %a p.vhdx)"
	unmount "$scratch.mnt"
	is_parent
}

# The copy has the files, the intent record too; the snapshot was undone and taken
# again in the directory itself.
test_undo_in_a_copy_with_hard_links_leaves_a_snapshot_its_mark() {
	local format

	for format in vhd vhdx; do
		leave_snapshot_unfinished $format
		mkdir copy
		cp -al "p.$e" "p@x.$e" ".p.$e.intent" ".p.$e.leaf" copy
		expect 0 vhdfs-img snapshot "p.$e" x
		expect_error 1 "an image with children keeps its name" \
			vhdfs-img snapshot "copy/p.$e" y
		equal mode 444 "$(stat -c %a "p@x.$e")"
		expect 0 vhdfs-img snapshots "p.$e"
		has_line '^x ' stdout
		expect 0 vhdfs-img revert --discard "p.$e" x
		same_disk "p.$e" model
	done
}

# No search begins at the copy that finds the child.
test_undo_in_a_copy_with_hard_links_gives_no_write_bits() {
	leave_snapshot_unfinished vhdx
	mkdir -p far/copy
	cp -al p.vhdx p@x.vhdx .p.vhdx.intent .p.vhdx.leaf far/copy
	expect 0 vhdfs-img snapshot p.vhdx x
	cd far/copy || exit
	expect_error 1 "an image with children keeps its name" vhdfs-img snapshot p.vhdx y
	equal mode 444 "$(stat -c %a p.vhdx)"
	equal hidden "" "$(find . -name '.?*')"
	same_disk ../../p.vhdx ../../model
}

test_undo_gives_an_image_with_another_name_its_write_bits_back() {
	leave_snapshot_unfinished vhdx d/link.vhdx
	expect 0 vhdfs-img snapshot p.vhdx x
	equal mode 644 "$(stat -c %a p.vhdx)"
	same_disk p.vhdx model
	same_disk p@x.vhdx model
}

test_rebase_to_an_image_whose_snapshot_was_killed() {
	local option

	for option in "" --unsafe; do
		leave_snapshot_unfinished vhdx
		cp p.vhdx old.vhdx
		vhdfs-img create --parent old.vhdx kid.vhdx
		# shellcheck disable=SC2086 # none, or one
		vhdfs-img rebase $option --parent p.vhdx kid.vhdx
		is_parent
		same_disk kid.vhdx model
	done
}

test_image_in_use_whose_snapshot_was_killed_gets_no_child() {
	leave_snapshot_unfinished vhdx
	hold p.vhdx "verify 0 0 0"
	expect_error 1 "a snapshot or a revert of $PWD/p.vhdx was begun" \
		vhdfs-img create --parent p.vhdx kid.vhdx
	release
	[ ! -e kid.vhdx ] || fail "expected no child"
}

run_tests
