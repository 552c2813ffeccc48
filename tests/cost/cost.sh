# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions of the tests that count system calls, after supervise.sh; $mnt is the
# mount.

# counted COMMAND...: runs it, and counts the system calls of the worker in
# $scratch/calls.
counted() {
	local tracer

	rm -f "$scratch/tracer" # of the run before
	strace -f -c -U name,calls -p "$(worker "$mnt")" -o "$scratch/calls" \
		2>"$scratch/tracer" &
	tracer=$!
	wait_until 10 grep -q attached "$scratch/tracer"
	"$@"
	kill -INT "$tracer"
	wait "$tracer" || true
}

# calls_of NAME...: prints the total number of these calls.
calls_of() {
	awk -v names=" $* " 'index(names, " " $1 " ") { n += $2 }
		END { print n + 0 }' "$scratch/calls"
}

# at_most WHAT MOST NUMBER: expects NUMBER to be at most MOST.
at_most() {
	[ "$3" -le "$2" ] ||
		fail "$1: expected at most $2, found $3: $(cat "$scratch/calls")"
}
