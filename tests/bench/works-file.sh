# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Works on files: fio on the file of each side, all sides in turn.
#
# Every file is opened for reading and writing, as tgtd does; N in flight are N
# threads with one request each (psync).  Warm: the data lies in the page cache
# of the process that stores the blocks, and stays there (invalidate=0).  The
# files of qemu and vhdimount have a second page cache, a copy of the master for
# each client: direct=1 bypasses it, because else the kernel's speed would be
# measured.

# fio_json FILE PATTERN SIZE FLIGHT [OPTION...]: prints fio's results.
fio_json() {
	local mix=()

	case $2 in
	read) mix=(--rw=rw --rwmixread=100) ;;
	randread) mix=(--rw=randrw --rwmixread=100) ;;
	*) mix=("--rw=$2") ;;
	esac
	fio --name=bench --filename="$1" "${mix[@]}" --bs="$3" \
		--numjobs="$4" --ioengine=psync --thread --group_reporting \
		--invalidate=0 --fallocate=none --allow_file_create=0 \
		--disk_util=0 --randrepeat=0 --offset="$region_start" \
		--size="$region_size" --runtime="$(calc "1000 * $seconds")ms" \
		--output-format=json "${@:5}" 2>"$work/fio.log"
}

# fio_on FILE PATTERN SIZE FLIGHT [OPTION...]: prints operations per second, or
# MB per second for pieces of 1 MiB.
fio_on() {
	local json

	json=$(fio_json "$@") || return
	jq -r --arg size "$3" '.jobs[0] | [.read, .write] |
		if $size == "1m" then map(.bw_bytes) | add / 1e6
		else map(.iops) | add end' <<<"$json"
}

# measure_fio WORK SIDE ROUND FILE PATTERN SIZE FLIGHT [OPTION...]: records the
# result of fio_on.
measure_fio() {
	local value unit=1/s

	[ "$6" != 1m ] || unit=MB/s
	value=$(fio_on "${@:4}") || {
		missing "$1" "$2" "fio: $(tail -n 1 "$work/fio.log")"
		return
	}
	record "$1" "$2" "$3" "$value" "$unit"
}

# Every side must read the master's data, or is not measured further; this also
# brings the data into the page cache.
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
	# While its master is being written back a disk opens slowly.
	sync
}

# fio_in_turn WORK FILES PATTERN SIZE FLIGHT [OPTION...]: measures all sides in
# turn, on FILES[side], in this round.
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
		# No write-back while the next side is measured.
		sync "${files[$side]}"
	done
}

# Reads of an unwritten disk: the blocks lie in the master.
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

# Writes to blocks that the disk has of its own.
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

# 1 MiB reads and writes in sequence; each of the four threads has a quarter of
# the region.
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

# Touches free memory before the measurement: the host of a virtual machine may
# have taken free pages back, and the first write to new cache pages would
# include the time to get them again.
touch_memory() {
	dd if=/dev/zero of=/dev/null bs="${region_size}" count=1 status=none
}

# First writes: a new disk for each run, each 4 KiB once; compared with writes
# in place through the passthroughs at the same time.
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

# need_written: makes for each writable side a disk whose region is allocated,
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

# A chain of 32 images and one of 1; the data lies in the first parent.  After
# an open the first read of a block searches the chain for it once: the runs are
# long, so that this is not measured.
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

# chain_pair KIND: measures both in sequence, every second time the long one
# first.
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

# make_chain KIND LENGTH: makes KIND-chain-N for each N; the last has LENGTH
# parents.
make_chain() {
	local i parent=$store/masters/$1.${1%-*} child

	for ((i = 1; i <= $2; i++)); do
		child=$store/clients/$1-chain-$i.${1%-*}
		at_end rm -f "$child"
		vhdfs-img create --parent "$parent" "$child" || return
		parent=$child
	done
}
