# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions that the parts of contrib/bench share.  Needs $work, a directory for
# the data, $out, one for the results, and the variables of contrib/bench's
# options.

gib=$((1 << 30)) mib=$((1 << 20))
disk_size=$((3 * gib)) # of the recorded boot
region_start=$gib      # where the works on files read and write
failed=no

# Commands to run when the benchmark, or a part of it, ends; the last one first.
undo=()

at_end() {
	undo+=("$*")
}

# undo_to COUNT: runs and removes all but the first COUNT.
undo_to() {
	local i

	for ((i = ${#undo[@]} - 1; i >= $1; i--)); do
		eval "${undo[i]}" >>"$work/undo.log" 2>&1 || true
		unset "undo[i]"
	done
	undo=("${undo[@]}")
}

# in_turn COMMAND...: runs it, then the commands that it added to undo.
in_turn() {
	local mark=${#undo[@]} status=0

	"$@" || status=$?
	undo_to "$mark"
	return "$status"
}

# Unmounts all mounts below $work, also busy and dead ones.
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

# missing WORK SIDE WHY: reports a measurement that failed.
missing() {
	failed=yes
	left_out "$@"
}

# left_out WORK SIDE WHY: reports a measurement that was skipped, which is no
# failure.
left_out() {
	warn "$1, $2: not measured: $3"
	jq -nc --arg work "$1" --arg side "$2" --arg why "$3" \
		'{$work, $side, missing: $why}' >>"$out/measurements.jsonl"
}

# record WORK SIDE ROUND VALUE UNIT: adds a line to measurements.jsonl.
record() {
	if ! [[ $4 =~ ^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$ ]]; then
		missing "$1" "$2" "expected a number, got '$4'"
		return
	fi
	jq -nc --arg work "$1" --arg side "$2" --argjson round "$3" \
		--argjson value "$4" --arg unit "$5" \
		'{$work, $side, $round, $value, $unit}' >>"$out/measurements.jsonl"
}

# wait_until SECONDS COMMAND...: waits until the command succeeds.
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

# timed WORK SIDE COMMAND...: runs the command in this shell and records its
# seconds.
timed() {
	local start=$EPOCHREALTIME

	if "${@:3}" >"$work/timed.log" 2>&1; then
		record "$1" "$2" "$round" "$(calc "$EPOCHREALTIME - $start")" s
	else
		missing "$1" "$2" "$(tail -n 1 "$work/timed.log")"
	fi
}

# wanted SIDE: succeeds if an option chose the side.
wanted() {
	[ -z "$only_sides" ] || [[ ,$only_sides, == *,$1,* ]]
}

# chosen SIDE...: prints the sides that the options chose.
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
