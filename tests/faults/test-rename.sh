#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img rename with failing system calls and allocations, and killed before each
# system call: the image has the old name or the new one, every image shows its disk,
# and the next command finishes or undoes what was begun.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/rename.sh"

prepare() {
	rm -rf "${dir:?}"
	cp -a "$scratch/first" "$dir"
}

# Without a crash, and where the undoing did not fail, nothing is left.
failure_leaves_nothing() {
	[[ $fault != kill* ]] && [ "$unlinks" = 0 ] && ! undoing_fails ||
		return 0
	! grep -q 'does the rest' "$scratch/stderr" || return 0
	# The undoing needs memory, and space where a child named its parent anew, which
	# is before the image itself is linked.
	if [[ $fault = ENOMEM:ever* || $fault = full* ]]; then
		! grep -q 'could not be undone' "$scratch/stderr" || return 0
	fi
	[ -z "$(hidden_files)" ] || wrong "left behind: $(hidden_files)"
	equal_names "$(names_of "$was")"
}

outcome() {
	[ "$status" = 0 ] || failure_leaves_nothing
	[ "$status" != 0 ] || equal_names "$(names_of pc2)"
	all_show
	next_command_works
}

# The store that the command opens logs lines of its own, in threads: how many lines
# there are is not compared.
check_common() {
	case $fault:$status in
	*:0 | *:1 | kill*:137) ;;
	*) wrong "expected exit status 0 or 1, found $status" ;;
	esac
}

kinds="$file_faults kill:once"

test_rename_vhd() {
	make_images vhd
	inject "rename, vhd" "$kinds" vhdfs-img rename "$dir/pc1.vhd" "$dir/pc2.vhd"
}

test_rename_vhdx() {
	make_images vhdx
	inject "rename, vhdx" "$kinds" vhdfs-img rename "$dir/pc1.vhdx" \
		"$dir/pc2.vhdx"
}

test_rename_of_what_a_rename_by_hand_left() {
	make_images vhdx
	rename_by_hand
	inject "rename, by hand" "$kinds" vhdfs-img rename "$dir/pc1.vhdx" \
		"$dir/pc2.vhdx"
}

test_rename_without_memory() {
	make_images vhdx
	inject "rename, vhdx" "$memory_faults" vhdfs-img rename "$dir/pc1.vhdx" \
		"$dir/pc2.vhdx"
}

run_tests
