# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for the tests of the mount, to be sourced after lib.sh: stores, and
# processes that have a view open.

# Creates an empty $store and sets $mnt.
empty_store() {
	requires_fuse
	store=$scratch/store mnt=$scratch/mnt
	mkdir "$store"
}

# store_of_pair [ENDING]: creates a store with a master of 64 MiB in blocks of 1 MiB, data at
# its start and near its end, and an empty child of it.  Their views are $master and $child.
store_of_pair() {
	empty_store
	ending=${1:-vhdx}
	mkdir "$store/clients"
	vhdfs-img create --size 64M --block-size 1M "$store/master.$ending"
	disk-io "$store/master.$ending" write 0 100000 1 write 60000000 5000 2
	vhdfs-img create --parent "$store/master.$ending" \
		"$store/clients/pc.$ending"
	master=$mnt/master.$ending.raw child=$mnt/clients/pc.$ending.raw
}

# make_disk PATH [FORMAT]: creates an image of 4 MiB that reads zeros.
make_disk() {
	mkdir -p "$(dirname "$1")"
	vhdfs-img create --size 4M --format "${2:-vhdx}" "$1"
}

# attribute VIEW NAME: prints user.vhdfs.NAME.
attribute() {
	getfattr --only-values --absolute-names -n "user.vhdfs.$2" "$1"
}

# hold_view VIEW COMMAND...: starts a process that runs the commands of file-io
# and keeps the view open until release_view or the test's end.
hold_view() {
	rm -f "$scratch/view.fifo" "$scratch/view.out"
	mkfifo "$scratch/view.fifo"
	file-io "$@" hold <"$scratch/view.fifo" >"$scratch/view.out" &
	view_pid=$!
	exec {view_fd}>"$scratch/view.fifo"
	wait_until 10 grep -q holding "$scratch/view.out"
}

release_view() {
	exec {view_fd}>&-
	wait "$view_pid"
}

# answers EXPECTED VIEW COMMAND...: expects this output of file-io; "": success.
answers() {
	local expected=$1 answer

	shift
	answer=$(file-io "$@") || [ $? = 1 ]
	equal "file-io ${*:2} on ${1#"$scratch/"}" "$expected" "$answer"
}

# opens VIEW MODE EXPECTED: expects this result of opening; "": success.
opens() {
	answers "$3" "$1" "$2"
}
