#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Children that other programs read: 7zz those of both formats, libvhdi those of
# VHDX.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "${0%/*}/readers.sh"

requires 7zz

# make_chain FORMAT DEPTH [OPTION...]: makes the images 0 to DEPTH, with random
# contents, and the model of the last one.
make_chain() {
	local format=$1 depth=$2 i

	rm -f "$scratch/model"
	make_model "$scratch/model" 40M
	vhdfs-img create "${@:3}" --size 40M "$scratch/0.$format"
	put_random "$scratch/0.$format" "$scratch/model" 40
	for i in $(seq "$depth"); do
		vhdfs-img create --parent "$scratch/$((i - 1)).$format" \
			"$scratch/$i.$format"
		put_random "$scratch/$i.$format" "$scratch/model" 40
		# A second round writes to an image that has its blocks.
		put_random "$scratch/$i.$format" "$scratch/model" 40
	done
	same_disk "$scratch/$depth.$format" "$scratch/model"
}

test_7zz_reads_fixed_and_dynamic() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_chain "$format" 0
		sevenzip_reads "$scratch/0.$format" "$scratch/model"
		rm "$scratch/0.$format"
		make_chain "$format" 0 --fixed
		sevenzip_reads "$scratch/0.$format" "$scratch/model"
	done
}

test_7zz_reads_children_vhd() {
	choose_seed
	make_chain vhd 1
	sevenzip_reads "$scratch/1.vhd" "$scratch/model"
}

test_7zz_reads_children_vhdx() {
	choose_seed
	make_chain vhdx 1
	sevenzip_reads "$scratch/1.vhdx" "$scratch/model"
}

test_7zz_reads_grandchildren() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_chain "$format" 3
		sevenzip_reads "$scratch/3.$format" "$scratch/model"
	done
}

test_7zz_reads_children_of_a_fixed_parent() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_chain "$format" 1 --fixed
		sevenzip_reads "$scratch/1.$format" "$scratch/model"
	done
}

test_7zz_reads_an_empty_child() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_chain "$format" 0
		vhdfs-img create --parent "$scratch/0.$format" \
			"$scratch/c.$format"
		sevenzip_reads "$scratch/c.$format" "$scratch/model"
	done
}

test_libvhdi_reads_fixed_and_dynamic_vhdx() {
	choose_seed
	make_chain vhdx 0
	libvhdi_reads "$scratch/0.vhdx" "$scratch/model" 1
	rm "$scratch/0.vhdx"
	make_chain vhdx 0 --fixed
	libvhdi_reads "$scratch/0.vhdx" "$scratch/model" 1
}

test_libvhdi_reads_children_vhdx() {
	choose_seed
	make_chain vhdx 1
	libvhdi_reads "$scratch/1.vhdx" "$scratch/model" 2
}

test_libvhdi_reads_grandchildren_vhdx() {
	choose_seed
	make_chain vhdx 3
	libvhdi_reads "$scratch/3.vhdx" "$scratch/model" 4
}

# make_alone FORMAT: an image that was the end of a chain, and its model.
make_alone() {
	make_chain "$1" 2
	vhdfs-img rebase --no-parent "$scratch/2.$1"
	rm "$scratch/0.$1" "$scratch/1.$1"
}

test_7zz_reads_a_child_that_lost_its_parent() {
	local format

	choose_seed
	for format in vhd vhdx; do
		make_alone $format
		sevenzip_reads "$scratch/2.$format" "$scratch/model"
	done
}

test_libvhdi_reads_a_child_that_lost_its_parent_vhdx() {
	choose_seed
	make_alone vhdx
	libvhdi_reads "$scratch/2.vhdx" "$scratch/model" 1
}

test_libvhdi_names_no_parent_of_a_child_that_lost_it() {
	local format

	requires vhdiinfo
	choose_seed
	for format in vhd vhdx; do
		make_alone $format
		vhdiinfo "$scratch/2.$format" >"$scratch/info"
		grep -i 'disk type.*dynamic' "$scratch/info" >/dev/null ||
			fail "expected a dynamic image, found: $(cat "$scratch/info")"
		! grep -i parent "$scratch/info" || fail "expected no parent"
	done
}

# libvhdi prints the parent's identifier and its path.
test_libvhdi_names_the_parent() {
	local format id

	requires vhdiinfo jq
	for format in vhd vhdx; do
		vhdfs-img create --size 40M "$scratch/0.$format"
		vhdfs-img create --parent "$scratch/0.$format" \
			"$scratch/1.$format"
		vhdiinfo "$scratch/1.$format" >"$scratch/info"
		id=$(key "$scratch/0.$format" id)
		grep -i 'parent identifier' "$scratch/info" |
			grep "$id" >/dev/null ||
			fail "expected parent $id, found: $(cat "$scratch/info")"
		grep -i 'parent filename' "$scratch/info" |
			grep "0\.$format" >/dev/null ||
			fail "expected the parent's name"
		grep -i 'identifier' "$scratch/info" |
			grep "$(key "$scratch/1.$format" id)" >/dev/null ||
			fail "expected an identifier of its own"
	done
}

run_tests
