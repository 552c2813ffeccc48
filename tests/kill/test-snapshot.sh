#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All processes of vhdfs die under load while snapshots are taken and removed, and disks
# get other parents: the next mount has the flushed data, each snapshot is the disk of one
# moment, or does not exist, and what was begun can be done again.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/kill.sh"
. "${0%/*}/snapshots.sh"
. "${0%/*}/../faults/faults.sh"

tests_of_the_long_run=3

# The commands that are run: snapshots, or all; and how many were done again.
verbs=snapshots again=0

# begin_clients FORMAT: in a long run the seed chooses the format.
begin_clients() {
	local format=$1 formats=(vhd vhdx)

	requires_faults
	begin
	[ -z "${VHDFS_LONG:-}" ] || format=${formats[seed % 2]}
	mount_with=mount_with_faults
	make_clients "$format" --block-size 1M
}

# take_until_death [FAULT...]: starts the process $taker, which takes snapshots until one
# fails, or kills vhdfs after some; the arguments of arm are those of a fault.
# $scratch/asking has the snapshot that is under way, $scratch/doing another command.
take_until_death() {
	rm -f "$scratch/asking" "$scratch/doing"
	(
		trap 'kill -9 "$asker"; exit 0' TERM
		wait_until 30 is_ready
		[ $# = 0 ] || arm "$@"
		for n in 1 2 3 4 5 6; do
			for client in $clients; do
				ask_snapshot "$client" "r$rounds-$n" || exit 0
				[ "$verbs" = snapshots ] || do_another || exit 0
			done
		done
		kill -9 "${mount_pid[$mnt]}" || true
	) >"$scratch/taker" 2>&1 &
	taker=$!
}

# Have all loads begun?
is_ready() {
	[ "$(size_of "$scratch/ready")" = 3 ]
}

# ask_snapshot CLIENT NAME: as take_snapshot; TERM ends it.
ask_snapshot() {
	local from to

	from=$(load now "$(events "$1")")
	echo "$1 $2 $from" >"$scratch/asking"
	vhdfs-img snapshot "$(image "$1")" "$2" &
	asker=$!
	wait "$asker" || return
	# Without a mount vhdfs-img did it itself, after the death.
	timeout "$hang_seconds" stat -f "$mnt" && [ ! -e "$scratch/dead" ] ||
		return
	to=$(load now "$(events "$1")")
	echo "$1 $2 $from $to" >>"$scratch/taken"
	rm "$scratch/asking"
}

# do_another: a rebase, or the removal of a snapshot, of a client; TERM ends it.
do_another() {
	# shellcheck disable=SC2086
	choose $clients
	case $((RANDOM % 2)) in
	0)
		client=$chosen
		choose "$store/masters/"*
		set -- rebase --parent "$chosen" "$(image "$client")"
		;;
	1)
		client=$chosen
		choose_snapshot "$client" || return 0
		set -- delete-snapshot --copy "$(image "$client")" "$chosen"
		rm "$scratch/sums/$client@$chosen"
		;;
	esac
	echo "$@" >"$scratch/doing"
	vhdfs-img "$@" &
	asker=$!
	wait "$asker" || return
	rm "$scratch/doing"
	[ ! -e "$scratch/dead" ]
}

# do_again: the command that was under way succeeds now, if it did not before.
do_again() {
	local words=() status=0

	[ -e "$scratch/doing" ] || return 0
	read -ra words <"$scratch/doing"
	vhdfs-img "${words[@]}" >"$scratch/again" 2>&1 || status=$?
	[ "$status" = 0 ] || grep -q 'has no snapshot' "$scratch/again" ||
		fail "round $rounds: ${words[*]}: $(cat "$scratch/again")"
	again=$((again + 1))
}

# end_taker: the snapshot under way is given up, or waits for the next mount.
end_taker() {
	waits=$((RANDOM % 2))
	[ "$waits" = 1 ] || kill "$taker" 2>/dev/null || true
	[ "$waits" = 1 ] || wait "$taker" || true
}

# check_asking: the snapshot that was under way does not exist, or is complete: from
# before the death, or from after it, where its command waited for the next mount or
# found none.
check_asking() {
	local client name from

	[ -e "$scratch/asking" ] || return 0
	read -r client name from <"$scratch/asking"
	if [ ! -e "$store/clients/$client@$name.$ending" ]; then
		[ "$waits" = 0 ] ||
			fail "round $rounds: expected the snapshot $name of" \
				"$client: $(cat "$scratch/taker")"
		return
	fi
	wait_until 10 [ -e "$(snapshot_view "$client" "$name")" ]
	! cmp "$(snapshot_view "$client" "$name")" "$(view "$client")" ||
		return 0
	echo "$client $name $from $(load now "$(events "$client")")" \
		>>"$scratch/taken"
}

# killed_round COMMAND [FAULT...]: clients write and snapshots are taken until the command
# or the fault ends all processes; then the store is mounted again.
killed_round() {
	begin_events
	rm -f "$scratch/dead" "$scratch/ready"
	take_until_death "${@:2}"
	load_all_with_events 3 "$1"
	: >"$scratch/dead"
	disarm
	remove_killed_mount
	end_taker
	[ "$waits" = 1 ] || check_images
	mount_with_faults
	verify_all flush
	[ "$waits" = 0 ] || wait "$taker" ||
		fail "round $rounds: $(cat "$scratch/taker")"
	check_asking
	verify_snapshots
	add_sums
	do_again
	check_sums
	verify_all exact
	equal "hidden files" "" "$(find "$store" -name '.?*')"
}

test_mount_after_a_death_has_snapshots_of_one_moment() {
	begin_clients vhd
	while more 3 $tests_of_the_long_run && chains_are_short; do
		killed_round "sleep 0.$((RANDOM % 10))
			kill -9 ${mount_pid[$mnt]} || true"
	done
	unmount "$mnt"
	check_images replayed
	check_snapshots
	report_kills "kills; $taken snapshots"
}

# Calls that snapshots make, or clients too.
some_calls=("1 link" "1 rename" "2 rename" "1 unlink" "2 unlink" "1 create" "2 create"
	"3 create" "1 chmod" "1 resize" "3 sync" "9 sync" "9 open" 50 200)

test_mount_after_a_death_within_a_snapshot_has_snapshots_of_one_moment() {
	local call

	begin_clients vhdx
	while more 3 $tests_of_the_long_run && chains_are_short; do
		call=${some_calls[RANDOM % ${#some_calls[@]}]}
		# shellcheck disable=SC2086
		killed_round true end once $call
	done
	unmount "$mnt"
	check_images replayed
	check_snapshots
	report_kills "deaths; $taken snapshots"
}

test_mount_after_a_death_has_the_disks_of_a_rebase_and_of_snapshots() {
	verbs=all
	begin_clients vhdx
	while more 3 $tests_of_the_long_run && chains_are_short; do
		killed_round "sleep 0.$((RANDOM % 10))
			kill -9 ${mount_pid[$mnt]} || true"
	done
	unmount "$mnt"
	check_images replayed
	check_snapshots
	report_kills "kills; $taken snapshots, $again commands done again"
}

run_tests
