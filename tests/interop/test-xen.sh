#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A chain that Xen's vhd-util made, with a grandchild larger than its parent: it is
# written, snapshotted, rebased, and its snapshots are deleted.  Each disk equals its
# model, and each file has what vhd-util checks.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq xz od

xen=$VHDFS_SHARED/found/xen
[ -f "$xen/MANIFEST" ] || skip "no images of Xen's vhd-util"

# Unpacks the chain: base.vhd, child.vhd, grandchild.vhd, with their names; the
# grandchild's disk is in "model".
make_chain() {
	local name size hash _

	choose_seed
	cd "$scratch" || exit
	while IFS=$'\t' read -r name size hash _; do
		xz -dc "$xen/$name.xz" >"$name"
		disk-io "$name" read 0 - >model 2>warnings
		equal "$name: size" "$size" "$(size_of model)"
		equal "$name: hash" "$hash" "$(sha256_of model)"
		cp model "${name%.vhd}.model"
	done <"$xen/MANIFEST"
	image="xen-grandchild.vhd"
	chmod a-w xen-base.vhd xen-child.vhd
}

# number FILE OFFSET BYTES: prints a big-endian number.
number() {
	printf '%u\n' "0x$(od -An -v -tx1 -j "$2" -N "$3" "$1" | tr -d ' \n')"
}

# checksum FILE OFFSET LENGTH [FIELD]: prints the checksum of VHD, without the field
# at this offset of the structure.
checksum() {
	od -An -v -tu1 -w1 -j "$2" -N "$3" "$1" | awk -v field="${4:--9}" '
		NR <= field || NR > field + 4 { sum += $1 }
		END { printf "%u\n", 4294967295 - sum }'
}

# text FILE OFFSET LENGTH ENCODING
text() {
	dd if="$1" bs=1 skip="$2" count="$3" status=none | iconv -f "$4" -t utf-8
}

# check_footers FILE: both are equal, and have their checksum.  Sets $header.
check_footers() {
	local end=$(($(size_of "$1") - 512))

	cmp -n 512 -i "$end:0" "$1" "$1" || fail "$1: the footers differ"
	equal "$1: checksum of the footer" "$(checksum "$1" 0 512 64)" \
		"$(number "$1" 64 4)"
	header=$(number "$1" 16 8)
}

# check_locator FILE OFFSET: its path leads to the parent; sets $metadata_end.
check_locator() {
	local file=$1 at=$2 code space length offset path encoding=UTF-16LE

	code=$(number "$file" "$at" 4)
	if [ "$code" = 0 ]; then
		equal "$file: unused locator" 0 "$(number "$file" $((at + 4)) 8)"
		return
	fi
	printf -v code %x "$code"
	space=$(number "$file" $((at + 4)) 4)
	length=$(number "$file" $((at + 8)) 4)
	offset=$(number "$file" $((at + 16)) 8)
	equal "$file: reserved" 0 "$(number "$file" $((at + 12)) 4)"
	# vhd-util takes a space below 512 for sectors.
	[ "$space" -ge 512 ] && [ $((space % 512)) = 0 ] ||
		fail "$file: locator $code: space $space"
	[ "$length" -le "$space" ] ||
		fail "$file: locator $code: length $length of $space"
	[ $((offset + space)) -le $(($(size_of "$file") - 512)) ] ||
		fail "$file: locator $code: behind the end"
	[ $((offset + space)) -le "$metadata_end" ] ||
		metadata_end=$((offset + space))
	[ "$code" != 4d616358 ] || encoding=UTF-8
	path=$(text "$file" "$offset" "$length" $encoding)
	path=${path//\\//}
	path=${path#C:}
	path=${path#file://}
	[ "$path" -ef "$(key "$file" parent)" ] ||
		fail "$file: locator $code: expected the path of the parent," \
			"found $path"
	[[ " $codes " != *" $code "* ]] || fail "$file: two locators $code"
	codes+=" $code"
}

# check_batmap FILE TABLE ENTRIES: it has its checksum, and no block that the table
# does not have is marked as complete.  Only images of Xen have one.
check_batmap() {
	local at=$(($2 + ($3 * 4 + 511) / 512 * 512)) offset size

	[ "$(text "$1" 28 4 UTF-8 | tr -d '\0')" = tap ] || return 0
	equal "$1: cookie of the batmap" tdbatmap "$(text "$1" "$at" 8 UTF-8)"
	offset=$(number "$1" $((at + 8)) 8)
	size=$(number "$1" $((at + 16)) 4)
	equal "$1: checksum of the batmap" \
		"$(checksum "$1" "$offset" $((size * 512)))" \
		"$(number "$1" $((at + 24)) 4)"
	[ $((offset + size * 512)) -le "$metadata_end" ] ||
		metadata_end=$((offset + size * 512))
}

# check_blocks FILE TABLE ENTRIES: each lies between the metadata and the footer.
check_blocks() {
	od -An -v -tx1 -w4 -j "$2" -N $(($3 * 4)) "$1" | tr -d ' ' |
		while read -r entry; do
			[ "$entry" != ffffffff ] || continue
			entry=$((0x$entry * 512))
			[ $entry -ge "$metadata_end" ] ||
				fail "$1: the block at $entry begins before" \
					"the end of the metadata, $metadata_end"
			[ $((entry + 512 + 2097152)) -le \
				$(($(size_of "$1") - 512)) ] ||
				fail "$1: the block at $entry clobbers the footer"
		done
}

# check_parent_name FILE: the name of the parent in the header is the last part of the
# path in the locators, as vhd-util wants it; Windows stores the path.
check_parent_name() {
	local name

	[ "$(key "$1" type)" = differencing ] || return 0
	name=$(dd if="$1" bs=1 skip=$((header + 64)) count=512 status=none |
		iconv -f UTF-16BE -t UTF-8 | tr -d '\0')
	equal "$1: name of the parent" "$(basename "$(key "$1" parent)")" "$name"
}

# vhd_util_accepts FILE: the rules of `vhd-util check'.
vhd_util_accepts() {
	local file=$1 table entries i codes="" header metadata_end

	check_footers "$file"
	equal "$file: checksum of the header" \
		"$(checksum "$file" "$header" 1024 36)" \
		"$(number "$file" $((header + 36)) 4)"
	table=$(number "$file" $((header + 16)) 8)
	entries=$(number "$file" $((header + 28)) 4)
	metadata_end=$((table + (entries * 4 + 511) / 512 * 512))
	[ $((header + 1024)) -le $metadata_end ] ||
		metadata_end=$((header + 1024))
	for i in {0..7}; do
		check_locator "$file" $((header + 576 + 24 * i))
	done
	[ "$(key "$file" type)" = dynamic ] || [ -n "$codes" ] ||
		fail "$file: no locator"
	check_parent_name "$file"
	check_batmap "$file" "$table" "$entries"
	check_blocks "$file" "$table" "$entries"
}

# sound FILE=MODEL...: each disk equals its model, and each file is sound for
# vhdfs-img and for vhd-util.
sound() {
	local pair

	for pair; do
		disk-io "${pair%=*}" read 0 - 2>warnings |
			cmp - "${pair#*=}" || fail "${pair%=*}: another disk"
		vhdfs-img check "${pair%=*}" >out 2>&1 || fail "$(cat out)"
		vhd_util_accepts "${pair%=*}"
	done
}

test_chain_is_written() {
	make_chain
	sound xen-base.vhd=xen-base.model xen-child.vhd=xen-child.model \
		$image=model
	put_random $image model 30
	sound xen-base.vhd=xen-base.model xen-child.vhd=xen-child.model \
		$image=model
}

test_chain_is_snapshotted_and_reverted() {
	make_chain
	put_random $image model 20
	cp model s1.model
	vhdfs-img snapshot $image s1
	put_random $image model 20
	cp model s2.model
	vhdfs-img snapshot $image s2
	put_random $image model 20
	sound xen-base.vhd=xen-base.model xen-child.vhd=xen-child.model \
		xen-grandchild@s1.vhd=s1.model xen-grandchild@s2.vhd=s2.model \
		$image=model
	vhdfs-img revert --discard $image s1
	cp s1.model model
	put_random $image model 20
	sound xen-grandchild@s1.vhd=s1.model xen-grandchild@s2.vhd=s2.model \
		$image=model
}

# The first snapshot is the grandchild that vhd-util made, the second is between two
# images of vhdfs.
test_snapshots_on_the_chain_are_deleted() {
	make_chain
	vhdfs-img snapshot $image s1
	put_random $image model 20
	cp model s2.model
	vhdfs-img snapshot $image s2
	put_random $image model 20
	cp model s3.model
	vhdfs-img snapshot $image s3
	put_random $image model 20
	vhdfs-img delete-snapshot $image s2
	sound xen-grandchild@s3.vhd=s3.model $image=model
	vhdfs-img delete-snapshot $image s1
	sound xen-child.vhd=xen-child.model xen-grandchild@s3.vhd=s3.model \
		$image=model
	[ ! -e xen-grandchild@s1.vhd ] || fail "the snapshot is there"
	vhdfs-img delete-snapshot $image s3
	put_random $image model 20
	sound xen-base.vhd=xen-base.model xen-child.vhd=xen-child.model \
		$image=model
	equal parent xen-child.vhd "$(basename "$(key $image parent)")"
}

# The grandchild leaves out its parent, which is smaller than itself, and returns.
test_grandchild_is_rebased_past_its_parent() {
	make_chain
	put_random $image model 20
	vhdfs-img rebase --parent xen-base.vhd $image
	sound $image=model
	mv xen-child.vhd aside.vhd
	put_random $image model 20
	sound xen-base.vhd=xen-base.model $image=model
	mv aside.vhd xen-child.vhd
	vhdfs-img rebase --parent xen-child.vhd $image
	put_random $image model 20
	sound xen-child.vhd=xen-child.model $image=model
}

# vhd-util expects all metadata before the first block: headers take turns in the
# space there.
test_many_rebases_keep_the_metadata_before_the_blocks() {
	local i parent size=

	make_chain
	for i in {1..8}; do
		parent="xen-base.vhd"
		[ $((i % 2)) = 1 ] || parent="xen-child.vhd"
		vhdfs-img rebase --parent $parent $image
		sound $image=model
		[ -z "$size" ] || equal size "$size" "$(size_of $image)"
		size=$(size_of $image)
	done
	vhdfs-img rebase --no-parent $image
	sound $image=model
}

run_tests
