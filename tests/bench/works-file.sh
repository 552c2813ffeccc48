# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Works on files: fio on the file of each side, all sides in turn.
#
# Every file is opened for reading and writing, as tgtd does; N in flight are N
# threads that each have one request (psync).  Warm: what is read lies in the page
# cache of whoever holds the blocks, and stays there (invalidate=0).  qemu's and
# vhdimount's files have a page cache of their own besides, a copy of the master
# for each client: past that goes direct=1, or it would be the kernel's speed.

# fio_on FILE PATTERN SIZE FLIGHT [OPTION...]: prints operations or, of 1 MiB,
# MB a second.
fio_on() {
	local mix=() json

	case $2 in
	read) mix=(--rw=rw --rwmixread=100) ;;
	randread) mix=(--rw=randrw --rwmixread=100) ;;
	*) mix=("--rw=$2") ;;
	esac
	json=$(fio --name=bench --filename="$1" "${mix[@]}" --bs="$3" \
		--numjobs="$4" --ioengine=psync --thread --group_reporting \
		--invalidate=0 --fallocate=none --allow_file_create=0 \
		--disk_util=0 --randrepeat=0 --offset="$region_start" \
		--size="$region_size" --runtime="$(calc "1000 * $seconds")ms" \
		--output-format=json "${@:5}" 2>"$work/fio.log") || return
	jq -r --arg size "$3" '.jobs[0] | [.read, .write] |
		if $size == "1m" then map(.bw_bytes) | add / 1e6
		else map(.iops) | add end' <<<"$json"
}

# measure_fio WORK SIDE ROUND FILE PATTERN SIZE FLIGHT [OPTION...]
measure_fio() {
	local value unit=1/s

	[ "$6" != 1m ] || unit=MB/s
	value=$(fio_on "${@:4}") || {
		missing "$1" "$2" "fio: $(tail -n 1 "$work/fio.log")"
		return
	}
	record "$1" "$2" "$3" "$value" "$unit"
}

# Every side reads what the master has, or is not measured further; that brings
# it into the page cache, too.
check_bytes() {
	local side good=()

	step "every side reads the master's bytes"
	for side in "${sides[@]}"; do
		if cmp -n "$region_size" -i "$region_start" "$master" \
			"${read_file[$side]}" >"$work/cmp.log" 2>&1; then
			good+=("$side")
		else
			missing bytes "$side" "$(tail -n 1 "$work/cmp.log")"
		fi
	done
	sides=("${good[@]}")
	# A disk whose master is still being written back opens late.
	sync
}

# fio_in_turn WORK FILES PATTERN SIZE FLIGHT [OPTION...]: of all sides in turn, on
# FILES[side], in this round.
fio_in_turn() {
	local side direct
	local -n files=$2

	for side in "${sides[@]}"; do
		[ -n "${files[$side]:-}" ] || continue
		[[ $1 != first-* ]] || touch_memory
		case $side in
		qemu) direct=(--direct=1) ;;
		vhdimount) direct=(--direct=1 --rw="$3") ;; # read only
		*) direct=() ;;
		esac
		measure_fio "$1" "$side" "$round" "${files[$side]}" "${@:3}" \
			"${direct[@]}"
		# Not to be written back while the next side is measured.
		sync "${files[$side]}"
	done
}

# Reads of a disk that nobody has written: the blocks lie in the master.
work_read() {
	local flight rounds=$many_rounds seconds=$brief

	step "4 KiB random reads, warm"
	for ((round = 1; round <= rounds; round++)); do
		for flight in 1 16; do
			fio_in_turn "read-4k-$flight" read_file randread 4k \
				"$flight" --time_based --norandommap
		done
	done
}

# Writes into blocks that the disk has of its own.
work_write() {
	local flight rounds=$many_rounds seconds=$brief

	need_written
	step "4 KiB random writes into allocated blocks"
	for ((round = 1; round <= rounds; round++)); do
		for flight in 1 16; do
			fio_in_turn "write-4k-$flight" written_file randwrite 4k \
				"$flight" --time_based --norandommap
		done
	done
}

# 1 MiB, one after the other; each of the four has a quarter of the region.
work_seq() {
	local quarter=(--time_based --size=$((region_size / 4))
		--offset_increment=$((region_size / 4)))

	need_written
	step "1 MiB sequential reads and writes, 4 in flight, warm"
	for ((round = 1; round <= rounds; round++)); do
		fio_in_turn read-1m-4 read_file read 1m 4 "${quarter[@]}"
		fio_in_turn write-1m-4 written_file write 1m 4 "${quarter[@]}"
	done
}

# What a virtual machine has freed its host may have taken back, and whoever
# writes to new pages of the cache first pays for getting it again: here nobody.
touch_memory() {
	dd if=/dev/zero of=/dev/null bs="${region_size}" count=1 status=none
}

# First writes: a new disk for each run, and no 4 KiB of it twice; against writes
# in place through the passthroughs, at the same time.
work_first() {
	local flight

	need_written
	step "4 KiB random first writes into a fresh disk"
	for ((round = 1; round <= rounds; round++)); do
		for flight in 1 16; do
			in_turn first_writes "$flight"
		done
	done
}

first_writes() {
	local side part=$((region_size / $1))
	local -A fresh_file=()

	for side in $(up "${limits[@]}"); do
		fresh_file[$side]=${written_file[$side]}
	done
	for side in $(up raw qemu reflink "${kinds[@]}"); do
		if "make_$side" fresh; then
			fresh_file[$side]=${made[0]}
		else
			missing "first-4k-$1" "$side" "no fresh disk"
		fi
	done
	fio_in_turn "first-4k-$1" fresh_file randwrite 4k "$1" \
		--size="$part" --offset_increment="$part"
}

# need_written: of each side that can be written a disk whose region is its own,
# in written_file.
declare -A written_file=()
need_written() {
	local side

	[ ${#written_file[@]} = 0 ] || return 0
	step "disks with blocks of their own"
	for side in $(up raw qemu reflink "${kinds[@]}"); do
		if "make_$side" written && fill "${made[0]}" "$region_size"; then
			written_file[$side]=${made[0]}
		else
			missing written "$side" "its disk cannot be written"
		fi
	done
	for side in $(up "${limits[@]}"); do
		written_file[$side]=${passthrough_dir[$side]}/written.raw
		[ -f "$work/raw/written.raw" ] || { make_raw written &&
			fill "${made[0]}" "$region_size"; }
	done
}

# A chain of 32 against one of 1; what is read lies in the first of all.  Where a
# block lies is looked for once in all of a chain, at the first read of it after
# the open: runs are so long that this is not what is measured.
work_chain() {
	local kind longer
	local -A long_file=()

	[ -n "$(up "${kinds[@]}")" ] || return 0
	longer=$(calc "2 * $seconds")
	local seconds=$longer
	step "chain of 32 against chain of 1"
	for kind in $(up "${kinds[@]}"); do
		if make_chain "$kind" 32; then
			long_file[$kind]=$views/clients/$kind-chain-32.${kind%-*}.raw
		else
			missing chain-32 "$kind" "it cannot be made"
		fi
	done
	for ((round = 1; round <= rounds; round++)); do
		for kind in "${!long_file[@]}"; do
			chain_pair "$kind"
		done
	done
}

# chain_pair KIND: one right after the other, every second time the long one first.
chain_pair() {
	local length lengths=(1 32)
	local -A one_file

	[ $((round % 2)) = 1 ] || lengths=(32 1)
	for length in "${lengths[@]}"; do
		one_file=(["$1"]=${long_file[$1]})
		[ "$length" = 32 ] || one_file=(["$1"]=${read_file[$1]})
		fio_in_turn "chain-$length" one_file randread 4k 1 \
			--time_based --norandommap
	done
}

# make_chain KIND LENGTH: KIND-chain-N for each N, the last with so many parents.
make_chain() {
	local i parent=$store/masters/$1.${1%-*} child

	for ((i = 1; i <= $2; i++)); do
		child=$store/clients/$1-chain-$i.${1%-*}
		at_end rm -f "$child"
		vhdfs-img create --parent "$parent" "$child" || return
		parent=$child
	done
}
