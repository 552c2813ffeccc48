# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Power cuts of a command, and of a command that recovers from one that was killed; to
# be sourced after faults.sh.  The user defines "prepare", which makes the images, and
# for each verb outcome_of_VERB, which checks them; and may define "before_cut".

before_cut() {
	:
}

# Numbers of syncs: before the first one the command is killed, which the recovery is
# to find; before the second one, if it is set, a first recovery.  So what they changed
# is not durable.  With :CALL, the number of another call.
killed_at=() killed_command=() recovery=()

# kill_at AT COMMAND...: kills the command before this sync or call.  Sets $seen to the
# number of these.
kill_at() {
	local call=sync

	[[ $1 != *:* ]] || call=${1#*:}
	arm kill once "${1%:*}" "$call"
	run_armed "${@:2}"
}

kill_first() {
	kill_at "${killed_at[0]}" "${killed_command[@]}"
	fault+=", ${killed_command[1]} was killed before sync ${killed_at[0]}"
	[ ${#killed_at[@]} = 2 ] || return 0
	kill_at "${killed_at[1]}" "${recovery[@]}"
	fault+=", and a recovery before sync ${killed_at[1]}"
}

# cut_once AT LOSE COMMAND...: prepares, and runs the command with a power cut before
# the sync number AT, or at its end.
cut_once() {
	fault="cut before sync $1, lost: $2"
	prepare
	before_cut
	[ ${#killed_at[@]} = 0 ] || kill_first
	arm cut once "$1" sync "$2"
	run_armed "${@:3}"
	[ "$status" = 137 ] || wrong "exit status $status, not killed:" \
		"$(cat "$scratch/stderr")"
	cuts=$((cuts + 1)) ended=$call
}

# cut_at AT COMMAND...: cuts the power before this sync in each way.  Sets $place.
cut_at() {
	local lose

	cut_once "$1" all "${@:2}"
	place=$call
	"outcome_of_$verb"
	choose_loses
	for lose in "${loses[@]}"; do
		cut_once "$1" "$lose" "${@:2}"
		"outcome_of_$verb"
	done
}

begin_cuts() {
	verb=$1 what="${*:2}, $ending" cuts=0
	what=${what#vhdfs-img }
	what=${what//$dir\//}
}

end_cuts() {
	remark "$what: $cuts power cuts at $1 places"
	[ "${wrongs:-0}" = 0 ] || fail "expected no errors, found $wrongs"
}

# cut_power VERB COMMAND...: cuts the power before each sync of the command and at
# its end; outcome_of_VERB checks the result.
cut_power() {
	local at

	begin_cuts "$@"
	shift
	for ((at = 1; ; at++)); do
		cut_at "$at" "$@"
		[ "$place" != exit ] || break
	done
	[ "$at" -gt 1 ] || [ "$verb" = recovery ] ||
		fail "$what: expected syncs"
	end_cuts "$at"
}

# cut_sample VERB COMMAND...: the same, before syncs that the seed chooses.
cut_sample() {
	local at each_point='' last=1000000

	begin_cuts "$@"
	shift
	cut_at "$last" "$@"
	choose_points "$seen"
	for at in "${ats[@]}"; do
		cut_at "$at" "$@"
	done
	end_cuts $((${#ats[@]} + 1))
}

# begin_recovery COMMAND...: of this command recoveries are to be cut.  Sets $total to
# the number of its syncs.
begin_recovery() {
	killed_at=() killed_command=("$@")
	prepare
	before_cut
	kill_at 1000000 "$@"
	total=$seen
	[ "$total" -gt 1 ] || fail "$*: expected syncs"
}

# cut_recovery VERB COMMAND...: kills the command before each of its syncs; then cuts
# the power before each sync of ${recovery[@]}, which recovers from that.
cut_recovery() {
	local total at

	killed_verb=$1
	begin_recovery "${@:2}"
	for ((at = 1; at <= total; at++)); do
		killed_at=("$at")
		cut_power recovery "${recovery[@]}"
	done
}

# cut_recoveries VERB COMMAND...: kills the command before syncs that the seed chooses,
# with VHDFS_LONG before each, the last one first; then cuts the power during
# ${recovery[@]}, once with an earlier recovery that was killed.  outcome_of_VERB checks
# the result.
cut_recoveries() {
	local total kills i

	begin_recovery "${@:2}"
	choose_points "$total"
	kills=("${ats[@]}")
	for ((i = ${#kills[@]} - 1; i >= 0; i--)); do
		killed_at=("${kills[i]}")
		cut_sample "$1" "${recovery[@]}"
		[ "$seen" -gt 0 ] || continue
		killed_at+=($((1 + RANDOM % seen)))
		cut_sample "$1" "${recovery[@]}"
	done
}
