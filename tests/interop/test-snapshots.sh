#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Chains after snapshot, revert, rebase and delete-snapshot, which other programs
# read: 7zz those of both formats, libvhdi those of VHDX, qemu-img what has no parent.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"
. "${0%/*}/readers.sh"

# make_chain ENDING: the master m.ENDING and its child pc1.ENDING, with the
# snapshots a, b and c, one after the other, and writes between them.  NAME.model
# has the disk of each snapshot, "model" that of the image, m.model the master's.
make_chain() {
	local name

	e=$1
	cd "$scratch" || exit
	rm -rf ./* .[!.]*
	make_model model 20M
	vhdfs-img create --size 20M "m.$e"
	put_random "m.$e" model 20
	cp model m.model
	vhdfs-img create --parent "m.$e" "pc1.$e"
	for name in a b c; do
		put_random "pc1.$e" model 10
		cp model $name.model
		vhdfs-img snapshot "pc1.$e" $name
	done
	put_random "pc1.$e" model 10
}

# read_by READER NAME...: the reader finds the models' bytes in the image and in
# these snapshots; none of them is changed by that.
read_by() {
	local reader=$1 name

	shift
	"$reader" "pc1.$e" model
	for name; do
		"$reader" "pc1@$name.$e" "$name.model"
	done
}

# The leaf's view has the number of the images of its chain.
libvhdi_leaf() {
	libvhdi_reads "$1" "$2" $(($(key "$1" depth) + 1))
}

# chain_changes READER: reads the chain after each kind of change.
chain_changes() {
	read_by "$1" a b c
	vhdfs-img delete-snapshot "pc1.$e" b
	read_by "$1" a c
	vhdfs-img revert --discard "pc1.$e" a
	cp a.model model
	put_random "pc1.$e" model 10
	read_by "$1" a c
	vhdfs-img rebase --parent "m.$e" "pc1.$e"
	read_by "$1" a c
	vhdfs-img rebase --parent "pc1@c.$e" "pc1.$e"
	put_random "pc1.$e" model 10
	read_by "$1" a c
	vhdfs-img delete-snapshot "pc1.$e" a
	read_by "$1" c
	same_disk "pc1.$e" model
	same_disk "pc1@c.$e" c.model
}

test_7zz_reads_chains_with_snapshots() {
	local format

	requires 7zz jq
	choose_seed
	for format in vhd vhdx; do
		make_chain $format
		chain_changes sevenzip_reads
	done
}

test_libvhdi_reads_chains_with_snapshots() {
	requires vhdimount jq
	choose_seed
	make_chain vhdx
	chain_changes libvhdi_leaf
}

test_libvhdi_names_the_parent_after_each_change() {
	local format

	requires vhdiinfo jq
	for format in vhd vhdx; do
		make_chain $format
		names_parent "pc1@c"
		vhdfs-img delete-snapshot "pc1.$e" c
		names_parent "pc1@b"
		vhdfs-img revert --discard "pc1.$e" a
		names_parent "pc1@a"
		vhdfs-img rebase --parent "m.$e" "pc1.$e"
		names_parent m
	done
}

# names_parent NAME: libvhdi finds this name, and this file's identifier.
names_parent() {
	vhdiinfo "pc1.$e" >info
	grep -i 'parent identifier' info | grep "$(key "$1.$e" id)" >/dev/null ||
		fail "expected the identifier of $1, found: $(cat info)"
	grep -i 'parent filename' info | grep -F "$1.$e" >/dev/null ||
		fail "expected the name $1, found: $(cat info)"
}

# The first snapshot of an image that has no parent has none either: its file is the
# dynamic image that qemu-img reads, with the mark and without write permission.
test_qemu_reads_the_snapshot_of_a_dynamic_image() {
	local format qemu

	requires qemu-img
	choose_seed
	for format in vhd vhdx; do
		qemu=$format
		[ $format != vhd ] || qemu=vpc
		cd "$scratch" || exit
		rm -rf ./*
		make_model model 20M
		vhdfs-img create --size 20M "m.$format"
		put_random "m.$format" model 20
		cp model before.model
		vhdfs-img snapshot "m.$format" before
		put_random "m.$format" model 20
		qemu-img compare -f $qemu -F raw "m@before.$format" before.model
		[ $format = vhd ] || qemu-img check -f vhdx m@before.vhdx
		# All of the chain in one file.
		vhdfs-img convert "m.$format" "flat.$format"
		qemu-img compare -f $qemu -F raw "flat.$format" model
	done
}

# The master is dynamic; commands on its children leave it as it was.
test_qemu_reads_the_master_of_a_chain() {
	local format qemu

	requires qemu-img
	choose_seed
	for format in vhd vhdx; do
		qemu=$format
		[ $format != vhd ] || qemu=vpc
		make_chain $format
		vhdfs-img delete-snapshot "pc1.$e" a
		vhdfs-img rebase --parent "m.$e" "pc1.$e"
		qemu-img compare -f $qemu -F raw "m.$e" m.model
		[ $format = vhd ] || qemu-img check -f vhdx m.vhdx
	done
}

run_tests
