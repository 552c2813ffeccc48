#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A file that gets a child while another command removes it.
. "${0%/*}/../lib.sh"

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

run_tests
