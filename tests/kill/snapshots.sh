# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Snapshots of the clients of kill.sh while they write, after kill.sh.  The events of
# the load say of which moments the disk of a snapshot may be.

taken=0

events() {
	echo "$scratch/events/$1"
}

# begin_events: a round begins; the events of its load have all generations that a
# snapshot may show.
begin_events() {
	local client

	rm -rf "$scratch/events" "$scratch/taken"
	mkdir -p "$scratch/events" "$scratch/sums"
	: >"$scratch/taken"
	for client in $clients; do
		load events "$(events "$client")" "$(record "$client")"
	done
}

# load_all_with_events STATUS COMMAND [OPTION...]: as load_all.
load_all_with_events() {
	load_events=yes load_all "$@"
}

# take_snapshot CLIENT NAME: with the moments before and after in $scratch/taken.
take_snapshot() {
	local from to

	from=$(load now "$(events "$1")")
	vhdfs-img snapshot "$(image "$1")" "$2" || return
	to=$(load now "$(events "$1")")
	echo "$1 $2 $from $to" >>"$scratch/taken"
}

# A chain has at most 256 parents, and a round at most 30 snapshots of a client.
chains_are_short() {
	[ "$taken" -lt 200 ]
}

# take_snapshots SECONDS: starts the process $taker, which takes snapshots of one client
# after the other.
take_snapshots() {
	(
		wait_until 30 [ -e "$scratch/ready" ]
		end=$((SECONDS + $1)) n=0
		while :; do
			for client in $clients; do
				take_snapshot "$client" "r$rounds-$((n += 1))"
			done
			[ $SECONDS -lt $end ] || break
		done
	) >"$scratch/taker" 2>&1 &
	taker=$!
}

# end_snapshots: expects that each of them succeeded, and that some were taken.
end_snapshots() {
	wait "$taker" || fail "snapshot, round $rounds: $(cat "$scratch/taker")"
	[ -s "$scratch/taken" ] || fail "expected snapshots, found none"
}

# snapshot_view CLIENT NAME
snapshot_view() {
	echo "$mnt/clients/$1@$2.$ending.raw"
}

# verify_snapshots: each snapshot of the round is the disk of a moment between the
# begin and the end of its command.
verify_snapshots() {
	local client name from to

	while read -r client name from to; do
		wait_until 10 [ -e "$(snapshot_view "$client" "$name")" ]
		load moment "$(events "$client")" "$(record "$client")" \
			"$from" "$to" "$(snapshot_view "$client" "$name")" \
			>"$scratch/moment" 2>&1 ||
			fail "snapshot $name of $client, round $rounds:" \
				"$(cat "$scratch/moment" "$mnt.log")"
		taken=$((taken + 1))
	done <"$scratch/taken"
}

# check_snapshots: all are sound, and no hidden file remains.  With no mount.
check_snapshots() {
	local file

	for file in "$store/clients/"*@*; do
		# Each may have been undone after a death.
		[ -e "$file" ] || continue
		vhdfs-img check "$file" >"$scratch/check" ||
			fail "expected a sound snapshot: $(cat "$scratch/check")"
	done
	equal "hidden files" "" "$(find "$store" -name '.?*')"
}

# snapshots_of CLIENT: prints the names of those that are verified.
snapshots_of() {
	local sum

	for sum in "$scratch/sums/$1@"*; do
		[ ! -e "$sum" ] || echo "${sum##*@}"
	done
}

# choose WORD...: sets $chosen to one of them; fails if there is none.
choose() {
	[ $# != 0 ] || return
	chosen=${!#}
	[ $# = 1 ] || chosen=${*:$((1 + RANDOM % $#)):1}
}

# choose_snapshot CLIENT: sets $chosen to one that is verified.  After a rebase to another
# parent an image may have no snapshots: only those with a common ancestor are its own.
choose_snapshot() {
	# shellcheck disable=SC2046
	choose $(vhdfs-img snapshots --json "$(image "$1")" | jq -r '.[].name' |
		sort | comm -12 - <(snapshots_of "$1"))
}

sum_of() {
	sha256_of "$1"
}

# add_sums: the snapshots of the epoch are verified: they stay as they are.
add_sums() {
	local client name

	while read -r client name _; do
		sum_of "$(snapshot_view "$client" "$name")" \
			>"$scratch/sums/$client@$name"
	done <"$scratch/taken"
	: >"$scratch/taken"
}

# check_sums: each snapshot has the disk that it had first.
check_sums() {
	local client name

	for client in $clients; do
		for name in $(snapshots_of "$client"); do
			equal "disk of the snapshot $name of $client" \
				"$(cat "$scratch/sums/$client@$name")" \
				"$(sum_of "$(snapshot_view "$client" "$name")")"
		done
	done
}
