#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Power cuts of snapshot, revert, delete-snapshot, rebase and create: before
# each sync, and after the command has ended, changes that no sync has made durable
# are lost: all, none, each alone, all but each, and random ones.  A disk is the old
# one or the new one, a snapshot is complete or absent, and the next command, or a
# mount that writes, finishes or undoes what was begun.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/power-cut.sh"

requires setfattr getfattr jq

# make_images ENDING: a master and its child pc1 in "first", with the snapshots one
# and between.  The disk is in now.model, those of the snapshots in theirs.
make_images() {
	requires_faults
	# Not beside the journal, which has hard links of the images: rename looks for
	# children in the directory above.
	dir=$scratch/store/work
	mkdir "$scratch/store"
	ending=$1
	export FAULTS_JOURNAL=$scratch/journal
	mkdir "$scratch/first"
	image=$scratch/first/pc1.$1
	vhdfs-img create --size 6M "$scratch/first/m.$1"
	disk-io "$scratch/first/m.$1" write 100 1500000 1
	vhdfs-img create --parent "$scratch/first/m.$1" "$image"
	disk-io "$image" write 1000000 1300000 2
	disk-io "$image" read 0 - >"$scratch/one.model"
	vhdfs-img snapshot "$image" one
	disk-io "$image" write 1500000 1300000 4
	disk-io "$image" read 0 - >"$scratch/between.model"
	vhdfs-img snapshot "$image" between
	disk-io "$image" write 2000000 1300000 3
	disk-io "$image" read 0 - >"$scratch/now.model"
	chmod 640 "$image"
	setfattr -n user.owner -v room7 "$image"
	image=$dir/pc1.$1
}

prepare() {
	rm -rf "${dir:?}" "${FAULTS_JOURNAL:?}"
	mkdir "$FAULTS_JOURNAL"
	cp -a "$scratch/first" "$dir"
}

shows() {
	disk-io "$1" read 0 - | cmp -s - "$scratch/$2.model"
}

hidden_files() {
	find "$dir" -name '.*' -type f ! -name ".pc1.$ending.2*Z"
}

names_of_snapshots() {
	vhdfs-img snapshots --json "$image" | jq -r '[.[].name] | sort | join(" ")'
}

# sound_snapshot NAME MODEL: if the snapshot exists, it is complete.
sound_snapshot() {
	local file=$dir/pc1@$1.$ending

	[ -e "$file" ] || return 0
	shows "$file" "$2" || complain "snapshot $1 shows another disk"
	[ $((0$(stat -c %a "$file") & 0222)) = 0 ] ||
		complain "snapshot $1 has mode $(stat -c %a "$file")"
	! [ "$file" -ef "$dir/pc1@next.$ending" ] ||
		complain "snapshot $1 is another name of the next one"
	[[ " $(names_of_snapshots) " == *" $1 "* ]] ||
		complain "the file of snapshot $1 is not listed"
}

# The image can be written, by itself or through a mount, has its attributes, and
# nothing is left of what was begun.  Takes turns, as a mount is slow.
turn=0 killed_command=()
image_works() {
	local model=$1 out=$scratch/next

	turn=$((turn + 1))
	if [ $((turn % 4)) = 0 ] && [ "$EUID" = 0 ] && [ -c /dev/fuse ]; then
		mount_store "$dir" "$scratch/mnt"
		head -c 4096 "$scratch/$model.model" |
			dd of="$scratch/mnt/${image##*/}.raw" conv=notrunc,fsync \
				status=none ||
			complain "the mount cannot write: $(cat "$scratch/mnt.log")"
		unmount "$scratch/mnt"
	fi
	vhdfs-img snapshot "$image" next >"$out" 2>&1 ||
		complain "the next command: $(cat "$out")"
	[ -z "$(hidden_files)" ] || complain "left: $(hidden_files)"
	shows "$image" "$model" || complain "another disk than $model"
	shows "${image%.*}@next.$ending" "$model" || complain "another snapshot"
	[ "$(stat -c %a "$image")" = 640 ] ||
		complain "the mode is $(stat -c %a "$image")"
	[ "$(getfattr --only-values --absolute-names -n user.owner "$image" \
		2>&1)" = room7 ] || complain "the attribute has changed"
	disk-io "$image" write 0 512 9 >"$out" 2>&1 ||
		complain "cannot be written: $(cat "$out")"
	vhdfs-img check "$image" >"$out" 2>&1 ||
		complain "unsound: $(cat "$out")"
}

outcome_of_snapshot() {
	[ -e "$image" ] || complain "the image has no name"
	shows "$image" now || complain "the image shows another disk"
	if has_ended; then
		[ "$(names_of_snapshots)" = "between one two" ] ||
			complain "no snapshot: $(names_of_snapshots)"
		[ -z "$(hidden_files)" ] || complain "left: $(hidden_files)"
	fi
	image_works now
	sound_snapshot one one
	sound_snapshot between between
	sound_snapshot two now
}

# The state that was put aside exists if the image was reverted, and only then.
check_aside() {
	local aside=("$dir/.pc1.$ending.2"*Z)

	[[ "$what ${killed_command[*]}" != *--discard* ]] || aside=("$dir/none")
	if [ "$1" = one ] && [[ "$what ${killed_command[*]}" != *--discard* ]]; then
		shows "${aside[0]}" now || complain "the state before is lost"
	else
		[ ! -e "${aside[0]}" ] || complain "put aside, but not reverted"
	fi
}

outcome_of_revert() {
	local state=now

	[ -e "$image" ] || complain "the image has no name"
	if shows "$image" one; then
		state=one
	elif ! shows "$image" now; then
		complain "the image shows neither state"
	fi
	! has_ended || [ $state = one ] || complain "not reverted"
	image_works $state
	check_aside $state
	sound_snapshot one one
	sound_snapshot between between
}

outcome_of_delete() {
	shows "$image" now || complain "the image shows another disk"
	sound_snapshot one one
	sound_snapshot between between
	if has_ended; then
		[ ! -e "$dir/pc1@between.$ending" ] || complain "not deleted"
	elif [ -e "$dir/pc1@between.$ending" ]; then
		vhdfs-img delete-snapshot "$image" between \
			>"$scratch/next" 2>&1 ||
			complain "the next run: $(cat "$scratch/next")"
	fi
	image_works now
	sound_snapshot one one
}

outcome_of_rebase() {
	shows "$image" now || complain "the image shows another disk"
	! has_ended || [ "$(stat -c %a "$dir/m.$ending")" = 444 ] ||
		complain "the parent can be written"
	vhdfs-img rebase --parent "$dir/m.$ending" "$image" \
		>"$scratch/next" 2>&1 ||
		complain "the next run: $(cat "$scratch/next")"
	rm "$dir/pc1@"*
	image_works now
}

outcome_of_completion() {
	shows "$image" now || complain "the image shows another disk"
	vhdfs-img rebase --no-parent "$image" >"$scratch/next" 2>&1 ||
		grep -q 'type: expected differencing' "$scratch/next" ||
		complain "the next run: $(cat "$scratch/next")"
	rm "$dir/pc1@"* "$dir/m.$ending"
	image_works now
}

# A parent that is in use is replaced by its equal.
outcome_of_replacement() {
	local parent=$dir/pc1@between.$ending parent_time

	parent_time=$(stat -c %.9Y "$scratch/first/${parent##*/}")
	release
	shows "$image" now || complain "the image shows another disk"
	sound_snapshot between between
	# The child of a VHD names its time.  A second run may find the parent
	# replaced and no longer in use, and writes it in place.
	[ "$(stat -c %.9Y "$parent")" = "$parent_time" ] ||
		[ "$ending${recovery:+ again}" = "vhdx again" ] ||
		complain "the parent has another time"
	! has_ended || rm "$dir/pc1@one.$ending"
	vhdfs-img rebase --parent "$dir/m.$ending" "$parent" \
		>"$scratch/next" 2>&1 ||
		complain "the next run: $(cat "$scratch/next")"
	rm -f "$dir/pc1@one.$ending"
	hold "$parent" "verify 0 0 0"
	vhdfs-img rebase --parent "$dir/m.$ending" "$parent" \
		>"$scratch/next" 2>&1 ||
		complain "the next run in use: $(cat "$scratch/next")"
	release
	[ -z "$(hidden_files)" ] || complain "left: $(hidden_files)"
	shows "$image" now || complain "the image shows another disk"
	sound_snapshot between between
}

# A child has its name when it is complete; its parent cannot be written then.  The
# temporary file has another name, which a mount does not show.
outcome_of_create() {
	local child=$dir/pc2.$ending

	! has_ended || [ -e "$child" ] || complain "no child"
	[ ! -e "$child" ] || shows "$child" one ||
		complain "the child shows another disk"
	[ ! -e "$child" ] || [ "$(stat -c %a "$dir/parent.$ending")" = 444 ] ||
		complain "the parent can be written"
	shows "$dir/parent.$ending" one || complain "the parent has changed"
	[ -e "$child" ] || vhdfs-img create --parent "$dir/parent.$ending" \
		"$child" >"$scratch/next" 2>&1 ||
		complain "the next run: $(cat "$scratch/next")"
	disk-io "$child" write 0 512 9
	vhdfs-img check "$child" >"$scratch/next" 2>&1 ||
		complain "unsound: $(cat "$scratch/next")"
}

# After the cut of a recovery: as after a cut of the command that was killed.  A
# command that found nothing to recover has no sync; the intent may come back then.
outcome_of_recovery() {
	! has_ended || [ "$seen" = 0 ] || [ -z "$(hidden_files)" ] ||
		complain "left: $(hidden_files)"
	ended=recovery
	"outcome_of_$killed_verb"
}

# A parent that is replaced has a reader.
before_cut() {
	[ "$verb" != replacement ] ||
		hold "$dir/pc1@between.$ending" "verify 0 0 0"
}

test_snapshot_vhd() {
	make_images vhd
	cut_power snapshot vhdfs-img snapshot "$image" two
}

test_snapshot_vhdx() {
	make_images vhdx
	cut_power snapshot vhdfs-img snapshot "$image" two
}

test_revert_vhd() {
	make_images vhd
	cut_power revert vhdfs-img revert "$image" one
}

test_revert_vhdx() {
	make_images vhdx
	cut_power revert vhdfs-img revert "$image" one
}

test_revert_discard_vhd() {
	make_images vhd
	cut_power revert vhdfs-img revert --discard "$image" one
}

test_revert_discard_vhdx() {
	make_images vhdx
	cut_power revert vhdfs-img revert --discard "$image" one
}

test_delete_snapshot_vhd() {
	make_images vhd
	cut_power delete vhdfs-img delete-snapshot "$image" between
}

test_delete_snapshot_vhdx() {
	make_images vhdx
	cut_power delete vhdfs-img delete-snapshot "$image" between
}

test_rebase_vhd() {
	make_images vhd
	cut_power rebase vhdfs-img rebase --parent "$dir/m.vhd" "$image"
}

test_rebase_vhdx() {
	make_images vhdx
	cut_power rebase vhdfs-img rebase --parent "$dir/m.vhdx" "$image"
}

test_rebase_without_parent_vhd() {
	make_images vhd
	cut_power completion vhdfs-img rebase --no-parent "$image"
}

test_rebase_without_parent_vhdx() {
	make_images vhdx
	cut_power completion vhdfs-img rebase --no-parent "$image"
}

test_rebase_of_a_parent_in_use_vhd() {
	make_images vhd
	cut_power replacement vhdfs-img rebase --parent "$dir/m.vhd" \
		"$dir/pc1@between.vhd"
}

test_rebase_of_a_parent_in_use_vhdx() {
	make_images vhdx
	cut_power replacement vhdfs-img rebase --parent "$dir/m.vhdx" \
		"$dir/pc1@between.vhdx"
}

# The parent can be written before.
make_parent() {
	make_images "$1"
	cp --no-preserve=mode "$scratch/first/m.$1" "$scratch/first/parent.$1"
	disk-io "$scratch/first/parent.$1" load 0 "$scratch/one.model"
}

test_create_vhd() {
	make_parent vhd
	cut_power create vhdfs-img create --parent "$dir/parent.vhd" \
		"$dir/pc2.vhd"
}

test_create_vhdx() {
	make_parent vhdx
	cut_power create vhdfs-img create --parent "$dir/parent.vhdx" \
		"$dir/pc2.vhdx"
}

# recover_any VERB COMMAND...: the next command of any kind recovers, and then finds no
# such snapshot.
recover_any() {
	recovery=(vhdfs-img delete-snapshot "$image" none)
	cut_recovery "$@"
}

test_recovery_of_a_snapshot() {
	make_images vhdx
	recover_any snapshot vhdfs-img snapshot "$image" two
}

test_recovery_of_a_snapshot_vhd() {
	make_images vhd
	recover_any snapshot vhdfs-img snapshot "$image" two
}

test_recovery_of_a_revert() {
	make_images vhd
	recover_any revert vhdfs-img revert "$image" one
}

test_recovery_of_a_revert_vhdx() {
	make_images vhdx
	recover_any revert vhdfs-img revert "$image" one
}

test_recovery_of_a_revert_discard() {
	make_images vhdx
	recover_any revert vhdfs-img revert --discard "$image" one
}

# run_again VERB COMMAND...: what was killed is run again, and finishes its work.
run_again() {
	recovery=("${@:2}")
	cut_recoveries "$@"
}

test_second_run_of_delete_snapshot_vhd() {
	make_images vhd
	run_again delete vhdfs-img delete-snapshot "$image" between
}

test_second_run_of_delete_snapshot_vhdx() {
	make_images vhdx
	run_again delete vhdfs-img delete-snapshot "$image" between
}

test_second_run_of_a_rebase_vhd() {
	make_images vhd
	run_again rebase vhdfs-img rebase --parent "$dir/m.vhd" "$image"
}

test_second_run_of_a_rebase_vhdx() {
	make_images vhdx
	run_again rebase vhdfs-img rebase --parent "$dir/m.vhdx" "$image"
}

test_second_run_of_a_rebase_without_parent() {
	make_images vhd
	run_again completion vhdfs-img rebase --no-parent "$image"
}

test_second_run_of_a_rebase_of_a_parent_in_use() {
	make_images vhdx
	run_again replacement vhdfs-img rebase --parent "$dir/m.vhdx" \
		"$dir/pc1@between.vhdx"
}

# Second runs take minutes: they are in no sample.
if [ -n "${VHDFS_SAMPLE:-}" ]; then
	for second_run in $(compgen -A function test_second_run); do
		unset -f "$second_run"
	done
fi
run_sample "${VHDFS_SAMPLE:+2}" "$@"
run_tests
