#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fixed and dynamic images, which qemu-img reads and writes.  (qemu-img reads a
# differencing VHD as a dynamic one, and refuses a differencing VHDX: the other
# tests have children.)
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires qemu-img qemu-io jq

# Prints qemu-img's name of a format.  It does not detect fixed VHDs.
qemu_format() {
	case $1 in
	*.vhd) echo vpc ;;
	*.vhdx) echo vhdx ;;
	*) echo raw ;;
	esac
}

# qemu_reads IMAGE MODEL: expects qemu-img to read the model's bytes, and to
# find no error.
qemu_reads() {
	local format

	format=$(qemu_format "$1")
	if [ "$format" = vhdx ]; then # VHD it cannot check
		qemu-img check -f vhdx "$1"
	fi
	equal "size that qemu-img sees" "$(size_of "$2")" "$(qemu-img info \
		-f "$format" --output json "$1" | jq '.["virtual-size"]')"
	qemu-img compare -f "$format" -F raw "$1" "$2"
}

# An image of vhdfs-img and one of qemu-img of the same kind are equal for
# compare -s, in their allocation too.
qemu_sees_no_difference() {
	local image=$1 model=$2 format options=subformat=$3

	format=$(qemu_format "$image")
	[ "$format" != vpc ] || options+=,force_size=on
	qemu-img convert -q -f raw -O "$format" -o "$options" "$model" \
		"$image.qemu"
	qemu-img compare -s -f "$format" -F "$format" "$image" "$image.qemu"
}

make_raw() {
	choose_seed
	make_model "$scratch/model" 40M
	put_random "$scratch/model" "$scratch/model" 60
}

test_qemu_reads_converted_images() {
	local format

	make_raw
	for format in vhd vhdx; do
		vhdfs-img convert "$scratch/model" "$scratch/d.$format"
		qemu_reads "$scratch/d.$format" "$scratch/model"
		qemu_sees_no_difference "$scratch/d.$format" "$scratch/model" \
			dynamic
		vhdfs-img convert --fixed "$scratch/model" "$scratch/f.$format"
		qemu_reads "$scratch/f.$format" "$scratch/model"
	done
}

test_fixed_image_equals_that_of_qemu_with_its_allocation() {
	local format

	# All of it data, because file systems differ in zeros and holes.
	choose_seed
	make_model "$scratch/model" 20M
	disk-io "$scratch/model" write 0 - "$RANDOM"
	for format in vhd vhdx; do
		vhdfs-img convert --fixed "$scratch/model" "$scratch/f.$format"
		qemu_sees_no_difference "$scratch/f.$format" "$scratch/model" \
			fixed
	done
}

# Random pieces exercise allocation, the log and the tables.
test_qemu_reads_images_written_in_random_pieces() {
	local format type

	choose_seed
	for format in vhd vhdx; do
		for type in "" --fixed; do
			rm -f "$scratch/model"
			make_model "$scratch/model" 40M
			# shellcheck disable=SC2086
			vhdfs-img create $type --size 40M \
				"$scratch/a$type.$format"
			put_random "$scratch/a$type.$format" \
				"$scratch/model" 60
			put_random "$scratch/a$type.$format" \
				"$scratch/model" 60
			qemu_reads "$scratch/a$type.$format" "$scratch/model"
		done
	done
}

test_qemu_reads_a_child_that_lost_its_parent() {
	local format i

	for format in vhd vhdx; do
		choose_seed
		rm -f "$scratch/model"
		make_model "$scratch/model" 40M
		vhdfs-img create --size 40M "$scratch/0.$format"
		put_random "$scratch/0.$format" "$scratch/model" 40
		for i in 1 2; do
			vhdfs-img create --parent "$scratch/$((i - 1)).$format" \
				"$scratch/$i.$format"
			put_random "$scratch/$i.$format" "$scratch/model" 40
		done
		vhdfs-img rebase --no-parent "$scratch/2.$format"
		qemu_reads "$scratch/2.$format" "$scratch/model"
		# QEMU writes it, too.
		qemu-io -f "$(qemu_format "$scratch/2.$format")" -c 'write -P 7 5M 3M' \
			"$scratch/2.$format" >/dev/null
		qemu-io -f raw -c 'write -P 7 5M 3M' "$scratch/model" >/dev/null
		same_disk "$scratch/2.$format" "$scratch/model"
		expect 0 vhdfs-img check "$scratch/2.$format"
	done
}

test_qemu_reads_all_block_sizes() {
	local size

	choose_seed
	for size in 1M 2M 8M 32M 256M; do
		rm -f "$scratch/model" "$scratch/a.vhdx"
		make_model "$scratch/model" 300M
		vhdfs-img create --block-size "$size" --size 300M \
			"$scratch/a.vhdx"
		put_random "$scratch/a.vhdx" "$scratch/model" 20
		qemu_reads "$scratch/a.vhdx" "$scratch/model"
	done
	for size in 512K 2M 4M; do
		rm -f "$scratch/model" "$scratch/a.vhd"
		make_model "$scratch/model" 100M
		vhdfs-img create --block-size "$size" --size 100M \
			"$scratch/a.vhd"
		put_random "$scratch/a.vhd" "$scratch/model" 20
		qemu_reads "$scratch/a.vhd" "$scratch/model"
	done
}

test_qemu_reads_images_of_odd_sizes() {
	local size format

	choose_seed
	for size in 3145728 3146240 10486272 104857088; do
		for format in vhd vhdx; do
			rm -f "$scratch/model" "$scratch/a.$format"
			make_model "$scratch/model" "$size"
			vhdfs-img create --size "$size" "$scratch/a.$format"
			put_random "$scratch/a.$format" "$scratch/model" 10
			qemu_reads "$scratch/a.$format" "$scratch/model"
		done
	done
}

test_qemu_reads_large_images() {
	local size

	for size in 127G 2040G; do
		vhdfs-img create --size "$size" "$scratch/$size.vhd"
		equal "size" $((${size%G} << 30)) "$(qemu-img info -f vpc \
			--output json "$scratch/$size.vhd" |
			jq '.["virtual-size"]')"
	done
	vhdfs-img create --size 64T "$scratch/a.vhdx"
	disk-io "$scratch/a.vhdx" write 70368744177000 600 1
	qemu-img check -f vhdx "$scratch/a.vhdx"
}

# make_qemu FILE SUBFORMAT: makes an image with random contents, by qemu-io.
make_qemu() {
	local format commands=() i

	format=$(qemu_format "$1")
	qemu-img create -q -f "$format" -o "subformat=$2" "$1" 41943040
	for i in $(seq 30); do
		random_below 79000
		commands+=(-c "write -q -P $i $((random * 512)) $((512 * i))")
	done
	random_below 20
	commands+=(-c "write -q -z $((random << 20)) 2M")
	qemu-io -f "$format" "${commands[@]}" "$1"
	qemu-img convert -f "$format" -O raw "$1" "$1.raw"
}

test_images_of_qemu_are_read() {
	local image

	choose_seed
	for image in dynamic.vhd fixed.vhd dynamic.vhdx fixed.vhdx; do
		make_qemu "$scratch/$image" "${image%.*}"
		vhdfs-img convert "$scratch/$image" "$scratch/$image.ours"
		vhdfs-img check "$scratch/$image"
		disk-io "$scratch/$image" read 0 - | cmp - "$scratch/$image.raw"
		disk-io "$scratch/$image.ours" read 0 - |
			cmp - "$scratch/$image.raw"
	done
}

# vhdfs continues to write an image that qemu began, and qemu reads it.
test_qemu_reads_its_images_after_writes_of_vhdfs() {
	local image

	choose_seed
	for image in dynamic.vhd fixed.vhd dynamic.vhdx fixed.vhdx; do
		make_qemu "$scratch/$image" "${image%.*}"
		put_random "$scratch/$image" "$scratch/$image.raw" 30
		same_disk "$scratch/$image" "$scratch/$image.raw"
		qemu_reads "$scratch/$image" "$scratch/$image.raw"
	done
}

# The reverse, in allocated blocks only: when qemu adds a block to a VHD whose
# footer lies at a multiple of 4096, as Windows puts it, the bytes of the old
# footer stay in the new block.
test_writes_of_qemu_to_images_of_vhdfs_are_read() {
	local format image

	choose_seed
	make_model "$scratch/model" 40M
	disk-io "$scratch/model" write 0 - "$RANDOM"
	for format in vhd vhdx; do
		vhdfs-img convert "$scratch/model" "$scratch/a.$format"
		cp "$scratch/model" "$scratch/b.raw"
		for image in a.$format b.raw; do
			qemu-io -f "$(qemu_format "$image")" \
				-c 'write -q -P 7 12345856 1M' \
				-c 'write -q -P 8 0 512' \
				-c 'write -q -P 9 41942528 512' \
				"$scratch/$image"
		done
		same_disk "$scratch/a.$format" "$scratch/b.raw"
	done
}

# A copy of an image that is being written has a log that needs a replay: qemu
# finds its active sequence among older entries.  After 30 flushes the log has
# restarted more than once.
test_qemu_replays_the_log_of_vhdfs() {
	local n held commands=() size=64M

	truncate -s "$size" "$scratch/model"
	mkfifo "$scratch/go"
	for ((n = 1; n <= 30; n++)); do
		commands+=(write $((n * 2097152)) 4096 "$n" flush)
		[ "$n" -le 12 ] || [ $((n % 3)) = 0 ] || continue
		rm -f "$scratch/i.vhdx" "$scratch/said"
		vhdfs-img create --size "$size" --block-size 1M "$scratch/i.vhdx"
		disk-io "$scratch/i.vhdx" "${commands[@]}" hold \
			<"$scratch/go" >"$scratch/said" &
		held=$!
		exec {go}>"$scratch/go"
		wait_until 10 grep -qs holding "$scratch/said"
		cp "$scratch/i.vhdx" "$scratch/copy.vhdx"
		exec {go}>&-
		wait "$held"
		vhdfs-img convert "$scratch/i.vhdx" "$scratch/all.raw"
		qemu-img check -q -r all -f vhdx "$scratch/copy.vhdx"
		qemu-img compare -q -f vhdx -F raw "$scratch/copy.vhdx" \
			"$scratch/all.raw" || fail "after $n flushes: qemu's" \
			"replay is not what was flushed"
		rm "$scratch/all.raw"
	done
}

# vhdfs and qemu respect each other's locks.
test_qemu_and_vhdfs_respect_each_others_locks() {
	vhdfs-img create --size 10M "$scratch/a.vhdx"
	hold "$scratch/a.vhdx" open
	! qemu-io -f vhdx -c 'write 0 512' "$scratch/a.vhdx" \
		>"$scratch/out" 2>&1 || fail "expected qemu-io to be refused"
	grep -q 'lock' "$scratch/out"
	release
	qemu-io -f vhdx -c 'write 0 512' -c 'sleep 3000' "$scratch/a.vhdx" \
		>/dev/null &
	at_exit kill $!
	wait_until 5 sh -c "vhdfs-img info '$scratch/a.vhdx' |
		grep -q 'in-use: .*qemu-io'"
	# check works while qemu-io is idle, and is refused while qemu-io
	# writes.
	vhdfs-img check "$scratch/a.vhdx" >"$scratch/out" 2>&1 || [ $? = 1 ] ||
		fail "$(cat "$scratch/out")"
	grep -q 'in use by qemu-io' "$scratch/out" ||
		fail "$(cat "$scratch/out")"
}

run_tests
