#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Power cuts of snapshot, revert, delete-snapshot and rebase of an image that a client
# has open and writes: before a sync, and after the command has ended, changes that no
# sync has made durable are lost, and all processes die.  What the client flushed is
# there, what it did not flush is old or new; a snapshot is complete or absent; and the
# next mount and the next command finish or undo what was begun.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "${0%/*}/faults.sh"
. "${0%/*}/online.sh"

requires jq

# Each place takes some cuts, and each cut a second.
points=${VHDFS_FAULT_POINTS:-2}

# make_images ENDING: the masters m and n, which differ, and a child pc of m with the
# snapshots one and between.  The disk is in pc.model, those of the snapshots in theirs.
make_images() {
	requires_faults
	requires_fuse
	e=$1 store=$scratch/store mnt=$scratch/mnt image=$scratch/store/pc.$1
	view=$mnt/pc.$1.raw
	export FAULTS_JOURNAL=$scratch/journal
	mkdir "$store"
	vhdfs-img create --size 6M "$store/m.$1"
	disk-io "$store/m.$1" write 100 1500000 1
	cp "$store/m.$1" "$store/n.$1"
	disk-io "$store/n.$1" write 1000000 300000 5 write 4000000 5000 6
	vhdfs-img create --parent "$store/m.$1" "$image"
	disk-io "$image" write 1000000 1300000 2
	add_snapshot one
	disk-io "$image" write 1500000 1300000 3
	add_snapshot between
	disk-io "$image" write 2000000 1300000 4
	disk-io "$image" read 0 - >"$scratch/pc.model"
	disk-io "$store/n.$1" read 0 - >"$scratch/n.model"
	chmod 640 "$image"
	mv "$store" "$scratch/first"
}

add_snapshot() {
	disk-io "$image" read 0 - >"$scratch/$1.model"
	vhdfs-img snapshot "$image" "$1"
}

# A mount of the images, and a client that has flushed some writes, and others not.
prepare() {
	rm -rf "${store:?}" "${FAULTS_JOURNAL:?}"
	mkdir "$FAULTS_JOURNAL"
	cp -a "$scratch/first" "$store"
	cat "$scratch/pc.model" >"$scratch/model"
	slot=$((RANDOM % 1536))
	mount_with_faults
	start_client
	write_slots 6
	flush_slots
	write_slots 4
	cat "$scratch/model" >"$scratch/before"
}

# write_slot: the client writes some sectors that it has not written yet.
write_slot() {
	# Each of the disk's 1536 pieces of 4 KiB, in another order.
	slot=$(((slot + 553) % 1536))
	slot_write="write $((slot * 4096 + RANDOM % 4 * 512))"
	slot_write+=" $((512 << RANDOM % 3)) $RANDOM"
	# shellcheck disable=SC2086
	ask_client $slot_write
}

write_slots() {
	local i

	for ((i = 0; i < $1; i++)); do
		write_slot
		[ "$reply" = ok ] || fail "$what: write: expected ok, found $reply"
	done
}

# The model of now is in the file "flushed" if the flush succeeds.
flush_slots() {
	ask_client fsync
	[ "$reply" != ok ] || cat "$scratch/model" >"$scratch/flushed"
}

# The client goes on until the power is cut, or the command has ended.
write_during() {
	local i

	for ((i = 1; i < 400; i++)); do
		kill -0 "$1" 2>/dev/null || break
		write_slot
		# Such a write may be in the image or not.
		if [ "$reply" != ok ]; then
			echo "$slot_write" | file-io "$scratch/model" rw \
				serve "$scratch/model" >/dev/null
			break
		fi
		[ $((i % 3)) != 0 ] || flush_slots
	done
}

# cut_once AT LOSE COMMAND...: prepares, and runs the command with a power cut.
cut_once() {
	fault="cut before sync $1, lost: $2"
	prepare
	# The shell prints a message when a signal kills a program.
	run_until_cut "$@" 2>/dev/null
}

# run_until_cut AT LOSE COMMAND...: the power is cut before the sync number AT, or at the
# command's end; with some losses the client writes meanwhile.  Sets $ended.
run_until_cut() {
	local command

	arm cut once "$1" sync "$2"
	FAULTS=$control LD_PRELOAD=$faults_so "${@:3}" >"$scratch/stdout" \
		2>"$scratch/stderr" &
	command=$!
	[ "$verb" = revert ] || [[ $2 != s* ]] || write_during "$command"
	wait_until 60 is_cut
	# It would wait for another worker.
	kill -KILL "$command" || true
	wait "$command" || true
	cuts=$((cuts + 1)) ended=$call
	power_off
}

is_cut() {
	ask
	[ "$fired" = 1 ]
}

# The processes that the cut has not ended itself.
power_off() {
	kill -KILL "${mount_pid[$mnt]}" || true
	wait "${mount_pid[$mnt]}" || true
	unset "mount_pid[$mnt]"
	eval "exec ${CLIENT[1]}>&-"
	wait "$client" || true
	umount -l "$mnt"
	disarm
}

# power_on: what a client finds afterwards; the next commands work.
power_on() {
	mount_store "$store" "$mnt"
	start_client
	cat "$view" >"$scratch/now"
	"outcome_of_$verb"
	sound_snapshot one "$scratch/one.model"
	sound_snapshot between "$scratch/between.model"
	[ "$(stat -c %a "$image")" = 640 ] ||
		complain "the mode is $(stat -c %a "$image")"
	cat "$scratch/now" >"$scratch/model"
	write_slots 3
	client_sees_its_disk
	run_next snapshot "$image" next
	[ "$verb" != delete ] || [ ! -e "$store/pc@between.$e" ] ||
		run_next delete-snapshot "$image" between
	[ "$verb" != rebase ] ||
		run_next rebase --parent "$store/n.$e" "$store/pc@next.$e"
	[ "$verb" != rebase ] || run_next rebase --parent "$store/n.$e" "$image"
	write_slots 3
	client_sees_its_disk
	[ -z "$(left)" ] || complain "left: $(left)"
	end_client
	unmount "$mnt"
	check_images
	disk-io "$image" read 0 - | cmp -s - "$scratch/model" ||
		complain "another disk after the unmount"
}

run_next() {
	vhdfs-img "$@" >"$scratch/next" 2>&1 ||
		complain "the next $1: $(cat "$scratch/next")"
}

left() {
	others ! -name "n.$e" ! -name ".pc.$e.2*Z"
}

# The disk has all that the client had flushed.
check_disk() {
	local wrong

	wrong=$(unlike_both "$scratch/now" "$scratch/flushed" "$scratch/model")
	[ -z "$wrong" ] ||
		complain "expected old or new content of the sectors" $wrong
}

# sound_snapshot NAME OLD [NEW]: if the snapshot exists, it shows this disk; what the
# client wrote meanwhile is in it or not.
sound_snapshot() {
	local file=$store/pc@$1.$e wrong

	[ -e "$file" ] || return 0
	cat "$mnt/pc@$1.$e.raw" >"$scratch/shown"
	wrong=$(unlike_both "$scratch/shown" "$2" "${3:-$2}")
	[ -z "$wrong" ] || complain "snapshot $1 differs in the sectors" $wrong
	[ $((0$(stat -c %a "$file") & 0222)) = 0 ] ||
		complain "snapshot $1 has mode $(stat -c %a "$file")"
	vhdfs-img snapshots --json "$image" |
		jq -e --arg name "$1" 'any(.[]; .name == $name)' >/dev/null ||
		[ "$verb" = rebase ] || complain "snapshot $1 is not listed"
}

outcome_of_snapshot() {
	check_disk
	! has_ended || [ -e "$store/pc@two.$e" ] || complain "no snapshot"
	sound_snapshot two "$scratch/before" "$scratch/model"
}

# The state that was put aside exists if the image was reverted, and only then.
outcome_of_revert() {
	local aside

	aside=$(find "$store" -name ".pc.$e.2*Z")
	if cmp -s "$scratch/now" "$scratch/one.model"; then
		disk-io "${aside:-none}" read 0 - |
			cmp -s - "$scratch/before" ||
			complain "the state before is lost"
		return
	fi
	! has_ended || complain "not reverted"
	[ -z "$aside" ] || complain "put aside, but not reverted"
	check_disk
}

outcome_of_delete() {
	check_disk
	! has_ended || [ ! -e "$store/pc@between.$e" ] || complain "not deleted"
}

outcome_of_rebase() {
	local parent

	check_disk
	parent=$(parent_of "$image")
	[ "$parent" = "n.$e" ] || ! has_ended || complain "the parent is $parent"
	[ "$parent" != "n.$e" ] || [ "$(stat -c %a "$store/n.$e")" = 444 ] ||
		complain "the parent can be written"
	disk-io "$store/n.$e" read 0 - | cmp -s - "$scratch/n.model" ||
		complain "the new parent has changed"
}

# cut_at AT COMMAND...: cuts the power before this sync in several ways.
cut_at() {
	local lose

	cut_once "$1" all "${@:2}"
	power_on
	choose_loses
	[ -n "$each_point" ] || loses=("s$RANDOM" \
		"${loses[RANDOM % (${#loses[@]} + 1)]:-none}")
	for lose in "${loses[@]}"; do
		cut_once "$1" "$lose" "${@:2}"
		power_on
	done
}

has_fired() {
	ask
	[ "$fired" = 1 ]
}

# kill_and_cut AT COMMAND...: the worker dies before the sync number AT, and the next
# one does the work of the command; the power is cut when that ends.
kill_and_cut() {
	local command

	fault="killed before sync $1, cut at the end"
	prepare
	arm kill once "$1" sync
	FAULTS=$control LD_PRELOAD=$faults_so "${@:2}" >"$scratch/stdout" \
		2>"$scratch/stderr" &
	command=$!
	# No wait: the command must not end before.  It may have fewer syncs.
	until has_fired || ! kill -0 "$command"; do :; done
	arm cut once 1000000 sync all
	wait "$command" || true
	ask
	ended=$call
	cuts=$((cuts + fired))
	power_off
}

# cut_after_deaths ENDING VERB COMMAND...: what a worker that died had in the page cache
# only is durable when the command ends.
cut_after_deaths() {
	local at

	verb=$2 what="$2 of an open $1" cuts=0
	cut_once 1000000 none "${@:3}"
	seen_syncs=$seen
	power_on
	choose_points "$seen_syncs"
	for at in "${ats[@]}"; do
		# The shell prints a message when a signal kills a program.
		kill_and_cut "$at" "${@:3}" 2>/dev/null
		power_on
	done
	[ "$cuts" -gt 1 ] || fail "$what: expected power cuts, found $cuts"
	remark "$what: $cuts power cuts, $seen_syncs syncs"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

# cut_power ENDING VERB COMMAND...: cuts the power before syncs of the command, and of
# the mount that does its work; and at its end.
cut_power() {
	local at

	verb=$2 what="$2 of an open $1" cuts=0
	cut_once 1000000 none "${@:3}"
	seen_syncs=$seen
	power_on
	[ "$seen_syncs" -gt 4 ] ||
		fail "$what: expected more than 4 syncs, found $seen_syncs"
	choose_points "$seen_syncs"
	for at in "${ats[@]}" 1000000; do
		cut_at "$at" "${@:3}"
	done
	remark "$what: $cuts power cuts, $seen_syncs syncs"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

test_snapshot_vhd() {
	make_images vhd
	cut_power vhd snapshot vhdfs-img snapshot "$image" two
}

test_snapshot_vhdx() {
	make_images vhdx
	cut_power vhdx snapshot vhdfs-img snapshot "$image" two
}

test_revert_vhd() {
	make_images vhd
	cut_power vhd revert vhdfs-img revert --in-use "$image" one
}

test_revert_vhdx() {
	make_images vhdx
	cut_power vhdx revert vhdfs-img revert --in-use "$image" one
}

test_delete_snapshot_vhd() {
	make_images vhd
	cut_power vhd delete vhdfs-img delete-snapshot "$image" between
}

test_delete_snapshot_vhdx() {
	make_images vhdx
	cut_power vhdx delete vhdfs-img delete-snapshot "$image" between
}

test_rebase_vhd() {
	make_images vhd
	cut_power vhd rebase vhdfs-img rebase --parent "$store/n.vhd" "$image"
}

test_rebase_vhdx() {
	make_images vhdx
	cut_power vhdx rebase vhdfs-img rebase --parent "$store/n.vhdx" "$image"
}

test_rebase_vhd_whose_worker_died() {
	make_images vhd
	cut_after_deaths vhd rebase vhdfs-img rebase --parent "$store/n.vhd" \
		"$image"
}

test_delete_snapshot_vhd_whose_worker_died() {
	make_images vhd
	cut_after_deaths vhd delete vhdfs-img delete-snapshot "$image" between
}

run_sample "${VHDFS_SAMPLE:+3}" "$@"
run_tests
