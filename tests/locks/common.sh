# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for the tests of locks, to be sourced after lib.sh and
# mount/common.sh: programs that hold images.

# with_each_format COMMAND...: runs the command for each format, in a new store,
# with $ending set.
with_each_format() {
	local ending mnt

	for ending in vhd vhdx; do
		"$@"
		for mnt in "${!mount_pid[@]}"; do
			unmount "$mnt"
		done
		rm -rf --one-file-system "${scratch:?}/store" "$scratch"/*.log
	done
}

# start_racer WORD COMMAND...: runs racer in the background until end_racer; the
# word is its first output.
start_racer() {
	local word=$1

	shift
	rm -f "$scratch/racer.fifo" "$scratch/racer.out"
	mkfifo "$scratch/racer.fifo"
	racer "$@" <"$scratch/racer.fifo" >"$scratch/racer.out" &
	racer_pid=$!
	at_exit "[ -z \"\$racer_pid\" ] || end_racer"
	exec {racer_fd}>"$scratch/racer.fifo"
	wait_until 10 grep -q "$word" "$scratch/racer.out"
}

end_racer() {
	local pid=$racer_pid

	racer_pid=
	exec {racer_fd}>&-
	wait "$pid"
}

# outcomes WHAT EXPECTED COMMAND...: expects exactly these outcomes of racer,
# each at least once, without their numbers.
outcomes() {
	local what=$1 expected=$2

	shift 2
	racer "$@" >"$scratch/outcomes"
	equal "$what" "$expected" \
		"$(cut -d ' ' -f 2- "$scratch/outcomes" | sort | paste -sd ,)"
}

# hold_as COMMAND...: starts a program that has a file open and reads standard
# input; let_go ends it.
hold_as() {
	rm -f "$scratch/as.fifo" "$scratch/as.out"
	mkfifo "$scratch/as.fifo"
	"$@" <"$scratch/as.fifo" >"$scratch/as.out" 2>&1 &
	as_pid=$!
	at_exit "[ -z \"\$as_pid\" ] || let_go"
	exec {as_fd}>"$scratch/as.fifo"
}

let_go() {
	local pid=$as_pid

	as_pid=
	exec {as_fd}>&-
	wait "$pid"
}

# in_use IMAGE, not_in_use IMAGE: expects this from vhdfs-img info.
in_use() {
	[ "$(vhdfs-img info --json "$1" | jq '."in-use"')" = true ]
}

not_in_use() {
	! in_use "$1"
}
