#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random walks over the commands that change chains, while clients write and vhdfs dies:
# each snapshot is the disk of one moment and stays it, and each disk has every write.
#
# A walk has epochs.  In an epoch the clients write, and the commands that a mount can do
# are run.  At its end the clients close their disks, and all commands are run.
. "${0%/*}/../lib.sh"
. "${0%/*}/../tgt/tgt.sh"
. "${0%/*}/../kill/kill.sh"
. "${0%/*}/../kill/snapshots.sh"
. "${0%/*}/supervise.sh"
. "${0%/*}/descriptor-store.sh"

tests_of_the_long_run=2

# The commands that are run while the clients write, and those that are run after.
online_verbs=(snapshot snapshot delete_snapshot rebase)
offline_verbs=(revert revert_in_use delete_snapshot rebase idle_snapshot)

# step VERB CLIENT
step() {
	echo "$1 $2"
	"step_$1" "$2"
}

step_snapshot() {
	[ "$(snapshots_of "$1" | wc -l)" -lt 12 ] || return 0
	take_snapshot "$1" "s$rounds-$RANDOM$RANDOM"
}

# Of a disk that no client has open.
step_idle_snapshot() {
	local name=i$rounds-$RANDOM$RANDOM view

	[ "$(snapshots_of "$1" | wc -l)" -lt 12 ] || return 0
	vhdfs-img snapshot "$(image "$1")" "$name"
	view=$(snapshot_view "$1" "$name")
	wait_until 10 [ -e "$view" ]
	sum_of "$view" >"$scratch/sums/$1@$name"
	equal "disk of the snapshot $name of $1" "$(sum_of "$(view "$1")")" \
		"$(cat "$scratch/sums/$1@$name")"
}

# Only for closed disks: a revert replaces the disk under its client.
step_revert() {
	choose_snapshot "$1" || return 0
	vhdfs-img revert --discard "$(image "$1")" "$chosen"
	equal "disk of $1 after the revert to $chosen" \
		"$(cat "$scratch/sums/$1@$chosen")" "$(sum_of "$(view "$1")")"
	begin_record "$1"
}

# begin_record CLIENT: its disk is another one.
begin_record() {
	rm "$(record "$1")"
	load record "$(record "$1")" "$(view "$1")" "${1#c}"
}

# As tgtd has the disk of a client that was shut down.
step_revert_in_use() {
	choose_snapshot "$1" || return 0
	exec 9<>"$(view "$1")"
	vhdfs-img revert --discard --in-use "$(image "$1")" "$chosen"
	equal "disk of the handle of $1 after the revert to $chosen" \
		"$(cat "$scratch/sums/$1@$chosen")" "$(sum_of - <&9)"
	exec 9>&-
	begin_record "$1"
}

# A snapshot that is the parent of another client's image stays.
step_delete_snapshot() {
	choose_snapshot "$1" || return 0
	[ ! -e "$scratch/pinned/$1@$chosen" ] || return 0
	vhdfs-img delete-snapshot --copy "$(image "$1")" "$chosen"
	rm "$scratch/sums/$1@$chosen"
}

# To a master, or to a snapshot of any client.
step_rebase() {
	local parents=("$store/masters/"*) client name

	for client in $clients; do
		for name in $(snapshots_of "$client"); do
			parents+=("$store/clients/$client@$name.$ending")
		done
	done
	choose "${parents[@]}"
	echo "to $chosen"
	vhdfs-img rebase --parent "$chosen" "$(image "$1")"
	chosen=${chosen##*/}
	[[ $chosen != *@* || $chosen == "$1@"* ]] ||
		: >"$scratch/pinned/${chosen%."$ending"}"
}

# run_steps COUNT VERB...: steps with random clients, in a process of its own, whose
# random numbers are those of the seed.
run_steps() {
	local i client verb

	RANDOM=$(((seed + rounds * 64 + $#) % 32768))
	for ((i = 0; i < $1; i++)); do
		# shellcheck disable=SC2086
		choose $clients
		client=$chosen
		choose "${@:2}"
		verb=$chosen
		step "$verb" "$client"
		echo "$verb" >>"$scratch/steps"
	done
}

# online_steps COUNT: starts the process $taker.
online_steps() {
	(
		wait_until 30 [ -e "$scratch/ready" ]
		run_steps "$1" "${online_verbs[@]}"
	) >"$scratch/taker" 2>&1 &
	taker=$!
}

disks_are_closed() {
	local client

	for client in $clients; do
		vhdfs-img check "$(image "$client")" || return
	done
}

# epoch SECONDS KILLER
epoch() {
	begin_events
	"$2" 3 "$1"
	online_steps 6
	load_all_with_events 0 true -s $(($1 + 1))
	no_client_saw_an_error
	wait "$taker" || fail "round $rounds: $(cat "$scratch/taker")"
	verify_all exact
	verify_snapshots
	add_sums
	wait_until 10 disks_are_closed
	run_steps 4 "${offline_verbs[@]}" >"$scratch/offline" 2>&1 &
	wait $! || fail "round $rounds: $(cat "$scratch/offline")"
	check_sums
	verify_all exact
}

# walk FORMAT EPOCHS KILLER
walk() {
	requires_resend
	begin
	disk_size=8M
	mkdir "$scratch/pinned"
	make_clients "$1" --block-size 1M
	while more "$2" $tests_of_the_long_run; do
		epoch 1 "$3"
	done
	unmount "$mnt"
	check_images
	check_snapshots
	report_kills "deaths; steps: $(sort "$scratch/steps" |
		uniq -c | xargs)"
}

test_walk_on_vhdx_keeps_disks_and_snapshots() {
	walk vhdx 2 kill_workers
}

# All processes die; the next ones resume.
test_walk_on_vhd_keeps_disks_and_snapshots() {
	mount_with=hold_store
	walk vhd 2 kill_supervisors
}

run_tests
