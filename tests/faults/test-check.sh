#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img check, info and map with failing system calls and allocations.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"

# make_pair ENDING BLOCK_SIZE: makes a master, m, and a child with data, c.
make_pair() {
	vhdfs-img create --size 8M --block-size "$2" "$dir/m.$1"
	disk-io "$dir/m.$1" write 100 3000000 1
	vhdfs-img create --parent "$dir/m.$1" --block-size "$2" "$dir/c.$1"
	disk-io "$dir/c.$1" write 2000000 1000000 2
}

# Subcommands that read.

prepare() {
	:
}

outcome() {
	untouched
}

# reads KINDS COMMAND [OPTION...]: runs COMMAND on an image of each format.
reads() {
	local kinds=$1 ending

	requires_faults
	shift
	make_pair vhd 512K
	make_pair vhdx 1M
	guard "$dir"/*
	for ending in vhd vhdx; do
		inject "$*, $ending" "$kinds" vhdfs-img "$@" "$dir/c.$ending"
	done
}

test_check_reports_each_file_fault() {
	reads "$file_faults" check
}

test_info_reports_each_file_fault() {
	reads "$file_faults" info --chain --json
}

test_map_reports_each_file_fault() {
	reads "$file_faults" map
}

test_check_reports_each_failed_allocation() {
	reads "$memory_faults" check
}

test_check_json_reports_each_failed_allocation() {
	reads "$memory_faults" check --json
}

test_info_json_reports_each_failed_allocation() {
	reads "$memory_faults" info --chain --json
}

test_info_reports_each_failed_allocation() {
	reads "$memory_faults" info
}

test_map_reports_each_failed_allocation() {
	reads "$memory_faults" map --json
}

# The image is damaged, so that check prints findings.
test_check_of_a_damaged_image_reports_each_fault() {
	requires_faults
	make_pair vhdx 1M
	printf x | dd of="$dir/m.vhdx" bs=1 seek=65600 conv=notrunc status=none
	guard "$dir"/*
	sound_status=3
	inject "check --json, damaged" "$memory_faults" \
		vhdfs-img check --json "$dir/m.vhdx"
	inject "check, damaged" "$file_faults" vhdfs-img check "$dir/m.vhdx"
}

# Repairs.

# Kills a writer: leaves unused space, and in a VHDX a log with entries.
kill_writer() {
	local fifo=$scratch/fifo pid

	rm -f "$scratch/holding"
	mkfifo "$fifo"
	disk-io "$1" write 4000000 2000000 3 flush write 6500000 1500000 4 \
		hold <"$fifo" >"$scratch/holding" &
	pid=$!
	exec {hold}>"$fifo"
	wait_until 10 grep -q holding "$scratch/holding"
	{
		kill -9 "$pid"
		wait "$pid" || true
	} 2>/dev/null
	exec {hold}>&-
	rm "$fifo"
}

# Reads the disk, or the message of the failure, to $scratch/content.
content_of() {
	disk-io "$1" read 0 - >"$scratch/content" 2>"$scratch/content.err" ||
		cp "$scratch/content.err" "$scratch/content"
}

# repairs KINDS IMAGE: repairs copies of IMAGE as it is now.
repairs() {
	image=$2
	cp "$dir/$image" "$scratch/$image"
	content_of "$dir/$image"
	cp "$scratch/content" "$scratch/content.before"
	prepare() {
		cp "$scratch/$image" "$dir/$image"
	}
	outcome() {
		content_of "$dir/$image"
		cmp -s "$scratch/content" "$scratch/content.before" ||
			wrong "expected the same disk after the repair:" \
				"$(cat "$scratch/content.err")"
		vhdfs-img check --repair "$dir/$image" \
			>"$scratch/again" 2>&1 ||
			wrong "second repair: expected success, found:" \
				"$(cat "$scratch/again")"
		vhdfs-img check "$dir/$image" >"$scratch/again" 2>&1 ||
			wrong "expected a sound image after the second" \
				"repair, found: $(cat "$scratch/again")"
		content_of "$dir/$image"
		cmp -s "$scratch/content" "$scratch/content.before" ||
			wrong "expected the same disk after the second repair"
		untouched
	}
	guard
	[ ! -e "$dir/m.${image#*.}" ] || guard "$dir/m.${image#*.}"
	inject "check --repair, $image" "$1" vhdfs-img check --repair \
		"$dir/$image"
}

test_repair_of_a_crashed_vhd_keeps_the_disk_after_each_fault() {
	requires_faults
	make_pair vhd 512K
	kill_writer "$dir/c.vhd"
	repairs "$file_faults" c.vhd
}

test_repair_of_a_crashed_vhdx_keeps_the_disk_after_each_fault() {
	requires_faults
	make_pair vhdx 1M
	kill_writer "$dir/c.vhdx"
	repairs "$file_faults" c.vhdx
}

# damage FILE OFFSET BYTES: overwrites; BYTES is a format of printf.
damage() {
	# shellcheck disable=SC2059
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Damages the copy of the footer at the start of the file.
test_repair_of_a_damaged_vhd_keeps_the_disk_after_each_fault() {
	requires_faults
	make_pair vhd 512K
	chmod u+w "$dir/m.vhd"
	damage "$dir/m.vhd" 100 x
	rm "$dir/c.vhd"
	mv "$dir/m.vhd" "$dir/d.vhd"
	repairs "$file_faults" d.vhd
}

# Damages a header, a region table, and the offset of a block without data.
test_repair_of_a_damaged_vhdx_keeps_the_disk_after_each_fault() {
	requires_faults
	make_pair vhdx 1M
	chmod u+w "$dir/m.vhdx"
	damage "$dir/m.vhdx" 65600 x
	damage "$dir/m.vhdx" 196612 x
	damage "$dir/m.vhdx" $((3145728 + 7 * 8)) '\002\000\100\000\000\000\000\000'
	rm "$dir/c.vhdx"
	mv "$dir/m.vhdx" "$dir/d.vhdx"
	repairs "$file_faults" d.vhdx
}

test_repair_keeps_the_disk_after_each_failed_allocation() {
	local ending

	requires_faults
	make_pair vhd 512K
	make_pair vhdx 1M
	for ending in vhd vhdx; do
		kill_writer "$dir/c.$ending"
		repairs "$memory_faults" "c.$ending"
	done
}

run_tests
