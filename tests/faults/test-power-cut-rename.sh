#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Power cuts of rename, and of commands that recover from one that was killed: before
# each sync, and after the command has ended, changes that no sync has made durable
# are lost: all, none, each alone, all but each, and random ones.  The image has the
# old name or the new one, every image shows its disk, also old images and clones, and
# the next command finishes or undoes what was begun.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/power-cut.sh"
. "${0%/*}/rename.sh"

requires jq

# make_store ENDING: the images, in a directory whose journal is not in the directory
# above it: rename looks for children there, and the journal has hard links.
make_store() {
	make_images "$1"
	export FAULTS_JOURNAL=$scratch/journal
	mkdir "$scratch/store"
	dir=$scratch/store/work
}

prepare() {
	rm -rf "${dir:?}" "${FAULTS_JOURNAL:?}"
	mkdir "$FAULTS_JOURNAL"
	cp -a "$scratch/first" "$dir"
}

# In the message of an error: what was lost.
name_losses() {
	fault+=": $(sed -n 's/^lost.*/&;/p' "$FAULTS_JOURNAL/lost" | tr '\n' ' ')"
}

outcome_of_rename() {
	name_losses
	! has_ended || equal_names "$(names_of pc2)"
	all_show
	next_command_works
}

# A command that found nothing to recover has no sync; the record may come back then.
outcome_of_recovery() {
	name_losses
	! has_ended || [ "$seen" = 0 ] || [ -z "$(hidden_files)" ] ||
		wrong "left: $(hidden_files)"
	all_show
	next_command_works
}

# The next command of any kind, on the name that the image has.
recover_rename() {
	local image=$dir/pc1.$ending

	[ -e "$image" ] || image=$dir/pc2.$ending
	vhdfs-img delete-snapshot "$image" none
}

rename_pc1() {
	"$1" "$2" vhdfs-img rename "$dir/pc1.$ending" "$dir/pc2.$ending"
}

test_rename_vhd() {
	make_store vhd
	rename_pc1 cut_power rename
}

test_rename_vhdx() {
	make_store vhdx
	rename_pc1 cut_power rename
}

test_rename_of_what_a_rename_by_hand_left() {
	make_store vhdx
	rename_by_hand
	rename_pc1 cut_power rename
}

test_recovery_vhd() {
	make_store vhd
	recovery=(recover_rename)
	rename_pc1 cut_recoveries recovery
}

test_recovery_vhdx() {
	make_store vhdx
	recovery=(recover_rename)
	rename_pc1 cut_recoveries recovery
}

test_recovery_of_what_a_rename_by_hand_left() {
	make_store vhd
	rename_by_hand
	recovery=(recover_rename)
	rename_pc1 cut_recoveries recovery
}

# The command is killed before N6, its last link; then the recovery before each of its
# syncs.  The next recovery finds undone what may be in the page cache only.
recovery_is_recovered() {
	local syncs second

	make_store "$1"
	recovery=(recover_rename)
	killed_command=(vhdfs-img rename "$dir/pc1.$1" "$dir/pc2.$1")
	prepare
	kill_at 1000000:link "${killed_command[@]}"
	begin_cuts recovery "${recovery[@]}"
	killed_at=("$seen:link")
	cut_once 1000000 all "${recovery[@]}"
	outcome_of_recovery
	syncs=$seen
	for ((second = 1; second <= syncs; second++)); do
		killed_at[1]=$second
		cut_once 1000000 all "${recovery[@]}"
		outcome_of_recovery
	done
	end_cuts 1
}

test_recovery_of_a_recovery_vhd() {
	recovery_is_recovered vhd
}

test_recovery_of_a_recovery_vhdx() {
	recovery_is_recovered vhdx
}

# The command itself, which recovers, and begins anew what was undone.
test_second_run_vhd() {
	make_store vhd
	recovery=(vhdfs-img rename "$dir/pc1.vhd" "$dir/pc2.vhd")
	rename_pc1 cut_recoveries rename
}

run_sample "${VHDFS_SAMPLE:+1}" "$@"
run_tests
