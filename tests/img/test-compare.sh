#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img compare: the first difference between two disks.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

# compared STATUS JSON IMAGE IMAGE [OPTION...]
compared() {
	expect "$1" vhdfs-img compare --json "${@:3}"
	equal "${*:3}" "$2" "$(jq -c . "$scratch/stdout")"
}

equal='{"equal":true,"difference":null,"offset":null}'

# different WHAT OFFSET
different() {
	echo "{\"equal\":false,\"difference\":\"$1\",\"offset\":$2}"
}

# byte_at FILE OFFSET: in hexadecimal
byte_at() {
	od -An -tx1 -j "$2" -N 1 "$1" | tr -d ' '
}

make_disks() {
	local image

	for image; do
		vhdfs-img create --size 20M "$scratch/$image"
		disk-io "$scratch/$image" write 5000000 100000 1
	done
	cd "$scratch"
}

test_same_contents_in_every_format_are_equal() {
	make_disks a.vhd b.vhdx
	vhdfs-img convert a.vhd c.raw
	vhdfs-img convert --fixed a.vhd d.vhdx
	for other in a.vhd b.vhdx c.raw d.vhdx; do
		compared 0 "$equal" a.vhd $other
		compared 0 "$equal" $other a.vhd
	done
}

test_child_equals_its_parent_until_it_is_written() {
	local format

	for format in vhd vhdx; do
		make_disks "a.$format"
		vhdfs-img create --parent "a.$format" "b.$format"
		compared 0 "$equal" "a.$format" "b.$format"
		disk-io "b.$format" write 5000000 100000 1
		compared 0 "$equal" "a.$format" "b.$format"
		disk-io "b.$format" write 7000001 1 1
		compared 1 "$(different contents 7000001)" "a.$format" "b.$format"
	done
}

test_first_difference_is_exact_to_the_byte() {
	make_disks a.vhdx b.vhd
	for offset in 20971519 7000003 5000000 511 0; do
		disk-io a.vhdx write $offset 1 7
		compared 1 "$(different contents $offset)" a.vhdx b.vhd
		compared 1 "$(different contents $offset)" b.vhd a.vhdx
	done
}

test_random_disks() {
	choose_seed
	cd "$scratch"
	make_model model 20M
	vhdfs-img create --size 20M a.vhdx
	put_random a.vhdx model 30
	vhdfs-img create --parent a.vhdx b.vhdx
	put_random b.vhdx model 30
	compared 0 "$equal" b.vhdx model
	for _ in 1 2 3 4 5; do
		random_below 20971520
		vhdfs-img convert b.vhdx c.raw
		printf '\x%02x' $((0x$(byte_at c.raw "$random") ^ 1)) >byte
		printf "%b" "$(cat byte)" >byte
		disk-io c.raw load "$random" byte
		compared 1 "$(different contents "$random")" b.vhdx c.raw
		rm c.raw
	done
}

test_longer_disk_is_equal_where_the_rest_is_zero() {
	make_disks a.vhdx
	vhdfs-img convert a.vhdx b.raw
	truncate -s 30M b.raw
	compared 0 "$equal" a.vhdx b.raw
	compared 1 "$(different size 20971520)" a.vhdx b.raw --strict
	disk-io b.raw write 30000000 1 1
	compared 1 "$(different contents 30000000)" a.vhdx b.raw
	compared 1 "$(different contents 30000000)" b.raw a.vhdx
}

test_strict_compares_which_ranges_are_stored() {
	make_disks a.vhdx b.vhdx
	compared 0 "$equal" a.vhdx b.vhdx --strict
	disk-io b.vhdx zero 5000000 100000 zero 15728640 1048576
	disk-io a.vhdx zero 5000000 100000
	compared 0 "$equal" a.vhdx b.vhdx
	disk-io b.vhdx write 16777216 512 1 zero 16777216 512
	compared 0 "$equal" a.vhdx b.vhdx
	expect 1 vhdfs-img compare -s a.vhdx b.vhdx
	grep -Eq '^a.vhdx and b.vhdx: first difference in allocation at offset [0-9]+ \(sector [0-9]+\)$' stdout
}

test_output_for_people() {
	make_disks a.vhdx b.vhdx
	expect 0 vhdfs-img compare a.vhdx b.vhdx
	equal "equal" "a.vhdx and b.vhdx: equal" "$(cat stdout)"
	disk-io b.vhdx write 5120 1 1
	expect 1 vhdfs-img compare a.vhdx b.vhdx
	equal "different" "a.vhdx and b.vhdx: first difference in contents at offset 5120 (sector 10)" "$(cat stdout)"
}

test_status_is_2_when_nothing_was_compared() {
	make_disks a.vhdx
	expect_error 2 'no.vhdx: No such file' vhdfs-img compare a.vhdx no.vhdx
	expect_error 2 'expected' vhdfs-img compare a.vhdx
	echo 'QFI' >b.vhdx
	expect_error 2 'b.vhdx' vhdfs-img compare a.vhdx b.vhdx
	hold a.vhdx open
	expect_error 2 "in use by disk-io" vhdfs-img compare a.vhdx a.vhdx
}

test_common_parents_of_a_large_disk_are_not_read() {
	cd "$scratch"
	vhdfs-img create --size 64T a.vhdx
	disk-io a.vhdx write 30000000000000 10000000 1
	vhdfs-img create --parent a.vhdx b.vhdx
	vhdfs-img create --parent a.vhdx c.vhdx
	disk-io c.vhdx write 60000000000000 1 1
	compared 0 "$equal" a.vhdx b.vhdx
	compared 1 "$(different contents 60000000000000)" b.vhdx c.vhdx
}

run_tests
