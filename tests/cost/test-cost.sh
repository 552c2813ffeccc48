#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The cost of a read and a write in numbers that do not depend on time: system
# calls of the worker, and instructions in the library.  contrib/bench measures
# times.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/../supervise/supervise.sh"
. "${0%/*}/cost.sh"

calls=2000

# store_in_memory ENDING: $child is a view with its first 8 MiB in the image
# itself and the next 8 MiB in its master, all in the page cache.
store_in_memory() {
	empty_store
	vhdfs-img create --size 64M "$store/master.$1"
	disk-io "$store/master.$1" write 8388608 8388608 3
	vhdfs-img create --parent "$store/master.$1" "$store/pc.$1"
	disk-io "$store/pc.$1" write 0 8388608 4 flush
	cat "$store/master.$1" "$store/pc.$1" >"$scratch/warm"
	child=$mnt/pc.$1.raw
	mount_store "$store" "$mnt"
}

# Prints the calls without those that depend on time (the monitor sleeps) and on
# the number of threads that start, which do not depend on requests.
calls_for_requests() {
	echo $(($(calls_of total) - $(calls_of clock_nanosleep mmap munmap \
		mprotect madvise mlock rt_sigprocmask clone3 set_robust_list rseq)))
}

# counted_at_best MOST COMMAND...: as counted, again if it took more than MOST
# calls: on a busy machine threads wait for each other more often.
counted_at_best() {
	local try

	for try in 1 2 3 4 5; do
		counted "${@:2}"
		[ "$(calls_for_requests)" -gt "$1" ] || break
	done
}

# Calls that do not belong to requests: starting threads, the monitor.
slack=$((calls / 20))

read_views() {
	exec {view}<>"$child"
	counted_at_best $((3 * calls + slack)) dd bs=4k count="$calls" \
		skip="$1" of="$scratch/read" status=none if="$child"
	exec {view}>&-
	at_most "requests" $((calls + slack)) "$(calls_of read)"
	at_most "reads of images" $((calls + slack)) \
		"$(calls_of preadv2 pread64 preadv)"
	at_most "answers" $((calls + slack)) "$(calls_of write writev)"
	at_most "all calls" $((3 * calls + slack)) "$(calls_for_requests)"
}

test_vhdx_read_of_the_child_costs_three_calls() {
	requires strace
	store_in_memory vhdx
	read_views 0
}

test_vhdx_read_of_the_master_costs_three_calls() {
	requires strace
	store_in_memory vhdx
	read_views 2048
}

test_vhd_read_of_the_child_costs_three_calls() {
	requires strace
	store_in_memory vhd
	read_views 0
}

test_vhd_read_of_the_master_costs_three_calls() {
	requires strace
	store_in_memory vhd
	read_views 2048
}

write_views() {
	exec {view}<>"$child"
	# The first change of an image costs more.
	dd if=/dev/zero bs=4k count=1 status=none >&"$view"
	counted_at_best $((4 * calls + slack)) dd if=/dev/zero bs=4k \
		count="$calls" status=none conv=notrunc of="$child"
	exec {view}>&-
	at_most "writes of images" $((calls + slack)) "$(calls_of pwrite64)"
	at_most "answers" $((calls + slack)) "$(calls_of write writev)"
	# Calls that ask whether another program changed the file.
	at_most "questions" $((calls + slack)) "$(calls_of ioctl)"
	at_most "all calls" $((4 * calls + slack)) "$(calls_for_requests)"
}

test_vhdx_write_in_place_costs_four_calls() {
	requires strace
	store_in_memory vhdx
	write_views
}

test_vhd_write_in_place_costs_four_calls() {
	requires strace
	store_in_memory vhd
	write_views
}

# Neither the child nor its master has data; block after block is allocated.
first_writes() {
	exec {view}<>"$child"
	dd if=/dev/zero bs=4k count=2 seek=4096 status=none >&"$view"
	counted dd if=/dev/zero bs=4k count="$calls" seek=8192 status=none \
		conv=notrunc of="$child"
	exec {view}>&-
	at_most "writes of images" $((calls + slack)) "$(calls_of pwrite64)"
	at_most "answers" $((calls + slack)) "$(calls_of write writev)"
	at_most "syncs" "$slack" "$(calls_of fdatasync fsync)"
}

test_vhdx_first_write_costs_one_write() {
	requires strace
	store_in_memory vhdx
	first_writes
}

test_vhd_first_write_costs_one_write() {
	requires strace
	store_in_memory vhd
	first_writes
}

# Synced first writes: a sync for the data, and one for the tables.
synced_first_writes() {
	local calls=500

	exec {view}<>"$child"
	dd if=/dev/zero bs=4k count=2 seek=8192 status=none conv=fdatasync >&"$view"
	counted dd if=/dev/zero bs=4k count="$calls" seek=8194 status=none \
		conv=notrunc oflag=dsync of="$child"
	exec {view}>&-
	at_most "syncs" $((2 * calls + slack)) "$(calls_of fdatasync fsync)"
	at_most "writes of images" $((2 * calls + calls / 4 + slack)) \
		"$(calls_of pwrite64)"
	at_most "answers" $((calls + slack)) "$(calls_of write writev)"
}

test_vhdx_synced_first_write_costs_two_writes_and_syncs() {
	requires strace
	store_in_memory vhdx
	synced_first_writes
}

test_vhd_synced_first_write_costs_two_writes_and_syncs() {
	requires strace
	store_in_memory vhd
	synced_first_writes
}

# instructions N COMMAND...: counts those of disk-io with the command N times.
instructions() {
	local n=$1 i list=()

	shift
	for ((i = 0; i < n; i++)); do
		list+=("${@:2}")
	done
	valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		"$(command -v disk-io)" "$1" "${list[@]}" \
		2>"$scratch/valgrind" >"$scratch/read"
	sed -n 's/.*Collected : //p' "$scratch/valgrind"
}

# instructions_of_one IMAGE COMMAND...: prints the instructions of one command.
instructions_of_one() {
	echo $((($(instructions 1100 "$@") - $(instructions 100 "$@")) / 1000))
}

# chain_of DEPTH ENDING: makes $leaf with that many parents; the data is in the
# oldest parent, and each image has some of its own elsewhere.
chain_of() {
	local i

	leaf=$scratch/0.$2
	vhdfs-img create --size 64M "$leaf"
	disk-io "$leaf" write 0 1048576 1
	for ((i = 1; i <= $1; i++)); do
		vhdfs-img create --parent "$leaf" "$scratch/$i.$2"
		leaf=$scratch/$i.$2
		disk-io "$leaf" write $((2097152 + 4096 * i)) 4096 1
	done
}

# For a read of 4 KiB with the loop of disk-io: a sixth more than measured when
# this test was written.
most_instructions=2900

test_read_of_the_master_takes_few_instructions() {
	local n

	requires valgrind
	for ending in vhdx vhd; do
		chain_of 1 "$ending"
		n=$(instructions_of_one "$leaf" read 65536 4096)
		remark "$ending: $n instructions"
		[ "$n" -le "$most_instructions" ] ||
			fail "expected at most $most_instructions, found $n"
		rm "$scratch"/*."$ending"
	done
}

test_long_chain_is_read_like_a_short_one() {
	local short long

	requires valgrind
	for ending in vhdx vhd; do
		chain_of 1 "$ending"
		short=$(instructions_of_one "$leaf" read 65536 4096)
		rm "$scratch"/*."$ending"
		chain_of 32 "$ending"
		long=$(instructions_of_one "$leaf" read 65536 4096)
		remark "$ending: $short for 1 parent, $long for 32"
		[ $((100 * long)) -le $((105 * short)) ] ||
			fail "expected at most 1.05 times $short, found $long"
		rm "$scratch"/*."$ending"
	done
}

run_tests
