# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For contrib/bench: what its parts share.  Needs $work, a directory for the
# data, $out, one for the results, and what contrib/bench's options set.

gib=$((1 << 30)) mib=$((1 << 20))
disk_size=$((3 * gib)) # of the recorded boot
region_start=$gib      # where the works on files read and write
failed=no

# What is to be undone when the benchmark, or a part of it, ends: commands, the
# last one first.
undo=()

at_end() {
	undo+=("$*")
}

# undo_to COUNT: all but the first COUNT.
undo_to() {
	local i

	for ((i = ${#undo[@]} - 1; i >= $1; i--)); do
		eval "${undo[i]}" >>"$work/undo.log" 2>&1 || true
		unset "undo[i]"
	done
	undo=("${undo[@]}")
}

# in_turn COMMAND...: what it starts ends with it.
in_turn() {
	local mark=${#undo[@]} status=0

	"$@" || status=$?
	undo_to "$mark"
	return "$status"
}

# Takes away all mounts below $work, in use or not, dead ones too.
unmount_all() {
	local dir

	cut -d ' ' -f 2 /proc/self/mounts | tac | while read -r dir; do
		[[ $dir/ != "$work"/* ]] || umount -l "$dir"
	done
}

step() {
	printf '\n== %s (%d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60))
}

warn() {
	printf 'contrib/bench: %s\n' "$*" >&2
}

# missing WORK SIDE WHY: something could not be measured.
missing() {
	failed=yes
	left_out "$@"
}

# left_out WORK SIDE WHY: it was not even tried, which is no failure.
left_out() {
	warn "$1, $2: not measured: $3"
	jq -nc --arg work "$1" --arg side "$2" --arg why "$3" \
		'{$work, $side, missing: $why}' >>"$out/measurements.jsonl"
}

# record WORK SIDE ROUND VALUE UNIT: a line of measurements.jsonl.
record() {
	if ! [[ $4 =~ ^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$ ]]; then
		missing "$1" "$2" "expected a number, got '$4'"
		return
	fi
	jq -nc --arg work "$1" --arg side "$2" --argjson round "$3" \
		--argjson value "$4" --arg unit "$5" \
		'{$work, $side, $round, $value, $unit}' >>"$out/measurements.jsonl"
}

# wait_until SECONDS COMMAND...: until it succeeds.
wait_until() {
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$end" ] || return 1
		sleep 0.02
	done
}

# calc EXPRESSION: prints its value, with decimals.
calc() {
	awk "BEGIN { printf \"%.6g\", $* }"
}

# timed WORK SIDE COMMAND...: records the seconds that the command takes, in this
# shell.
timed() {
	local start=$EPOCHREALTIME

	if "${@:3}" >"$work/timed.log" 2>&1; then
		record "$1" "$2" "$round" "$(calc "$EPOCHREALTIME - $start")" s
	else
		missing "$1" "$2" "$(tail -n 1 "$work/timed.log")"
	fi
}

# wanted SIDE: whether it was asked for.
wanted() {
	[ -z "$only_sides" ] || [[ ,$only_sides, == *,$1,* ]]
}

# The sides of a list that were asked for.
chosen() {
	local side

	for side; do
		! wanted "$side" || echo "$side"
	done
}

drop_caches() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}
