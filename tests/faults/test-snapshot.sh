#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img snapshot and revert with failing system calls and allocations, and
# killed before each system call: the image shows the old state or the new one,
# and the next command finishes or undoes what was begun.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"

# Makes a master and its child in "first", with one snapshot, "one".  The disk is
# in now.model; the snapshot's in one.model.
make_images() {
	requires_faults
	ending=$1
	mkdir "$scratch/first"
	image=$scratch/first/pc1.$1
	vhdfs-img create --size 6M "$scratch/first/m.$1"
	disk-io "$scratch/first/m.$1" write 100 1500000 1
	vhdfs-img create --parent "$scratch/first/m.$1" "$image"
	disk-io "$image" write 1000000 1300000 2
	disk-io "$image" read 0 - >"$scratch/one.model"
	vhdfs-img snapshot "$image" one
	disk-io "$image" write 2000000 1300000 3
	disk-io "$image" read 0 - >"$scratch/now.model"
	chmod 640 "$image"
	image=$dir/pc1.$1
}

prepare() {
	rm -rf "${dir:?}"
	cp -a "$scratch/first" "$dir"
}

shows() {
	disk-io "$1" read 0 - | cmp -s - "$scratch/$2.model"
}

hidden_files() {
	find "$dir" -name '.*' -type f ! -name ".pc1.$ending.2*Z"
}

# Without a crash, and where the undoing did not fail, nothing is left.  When the
# last syncs of the directory fail, the new leaf is in place.
failure_leaves_nothing() {
	[[ $fault != kill* ]] && [ "$unlinks" = 0 ] && ! undoing_fails ||
		return 0
	! grep -q 'has its new leaf' "$scratch/stderr" || return 0
	[ -z "$(hidden_files)" ] || wrong "left behind: $(hidden_files)"
	[ "$(stat -c %a "$image")" = 640 ] || wrong "the mode has changed"
	[ ! -e "$dir/pc1@two.$ending" ] || wrong "failed, but pc1@two exists"
	[ -z "$(getfattr --absolute-names -n user.vhdfs.snapshot "$image" \
		2>/dev/null)" ] || wrong "failed, but marked"
}

# The next command cleans up; the image can be written and is sound.
next_command_works() {
	vhdfs-img snapshot "$image" next >"$scratch/next" 2>&1 ||
		wrong "the next command: $(cat "$scratch/next")"
	[ -z "$(hidden_files)" ] ||
		wrong "left by the next command: $(hidden_files)"
	shows "$image" "$1" || wrong "another disk after the next command"
	shows "$dir/pc1@next.$ending" "$1" || wrong "another snapshot"
	shows "$dir/pc1@one.$ending" one || wrong "snapshot one has changed"
	[ "$(stat -c %a "$image")" = 640 ] || wrong "the mode has changed"
	protected "$dir"/pc1@*
	disk-io "$image" write 0 512 9 >"$scratch/next" 2>&1 ||
		wrong "cannot be written: $(cat "$scratch/next")"
	vhdfs-img check "$image" >/dev/null || wrong "unsound"
}

outcome_of_snapshot() {
	shows "$image" now || wrong "the image shows another disk"
	[ "$status" = 0 ] || failure_leaves_nothing
	if [ "$status" = 0 ]; then
		shows "$dir/pc1@two.$ending" now || wrong "a wrong snapshot"
	fi
	next_command_works now
}

outcome_of_revert() {
	local state=now

	if shows "$image" one; then
		state=one
	elif ! shows "$image" now; then
		wrong "the image shows neither state"
	fi
	[ "$status" != 0 ] || [ "$state" = one ] || wrong "not reverted"
	[ "$status" = 0 ] || [ "$state" = one ] || failure_leaves_nothing
	next_command_works "$state"
}

outcome() {
	"outcome_of_$verb"
}

# injects VERB KINDS COMMAND...
injects() {
	verb=$1
	inject "$verb, $ending" "$2" vhdfs-img "${@:3}"
}

kinds="$file_faults kill:once"

test_snapshot_vhd() {
	make_images vhd
	injects snapshot "$kinds" snapshot "$image" two
}

test_snapshot_vhdx() {
	make_images vhdx
	injects snapshot "$kinds" snapshot "$image" two
}

test_snapshot_without_memory() {
	make_images vhdx
	injects snapshot "$memory_faults" snapshot "$image" two
}

test_revert_vhd() {
	make_images vhd
	injects revert "$kinds" revert --discard "$image" one
}

test_revert_vhdx() {
	make_images vhdx
	injects revert "$kinds" revert --discard "$image" one
}

test_revert_without_memory() {
	make_images vhd
	injects revert "$memory_faults" revert --discard "$image" one
}

run_tests
