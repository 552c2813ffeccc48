#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img info: its keys and values, of images, chains and broken files.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

KEYS="file format type virtual-size allocated block-size sector-size \
physical-sector-size id parent parent-id depth in-use dirty"

# Makes the images 0, 1 and 2: each is the parent of the next.
make_chain() {
	vhdfs-img create --size 10M "$scratch/0.$1"
	vhdfs-img create --parent "$scratch/0.$1" "$scratch/1.$1"
	vhdfs-img create --parent "$scratch/1.$1" "$scratch/2.$1"
}

test_json_has_its_keys_in_order() {
	local format

	for format in vhd vhdx; do
		make_chain "$format"
		equal keys "$KEYS" "$(vhdfs-img info --json \
			"$scratch/2.$format" | jq -r 'keys_unsorted[]' |
			paste -sd ' ')"
	done
}

test_json_values_have_their_types() {
	make_chain vhdx
	vhdfs-img info --json "$scratch/1.vhdx" >"$scratch/json"
	equal types "$(printf '%s\n' string string string number number \
		number number number string string string number boolean \
		boolean | paste -sd ' ')" \
		"$(jq -r '.[] | type' "$scratch/json" | paste -sd ' ')"
	vhdfs-img info --json "$scratch/0.vhdx" >"$scratch/json"
	equal parent null "$(jq .parent "$scratch/json")"
	equal parent-id null "$(jq '.["parent-id"]' "$scratch/json")"
}

test_values_describe_the_image() {
	local image

	for image in a.vhd a.vhdx; do
		vhdfs-img create --size 12M "$scratch/$image"
		equal file "$scratch/$image" "$(key "$scratch/$image" file)"
		equal format "${image#a.}" "$(key "$scratch/$image" format)"
		equal type dynamic "$(key "$scratch/$image" type)"
		equal virtual-size 12582912 \
			"$(key "$scratch/$image" virtual-size)"
		equal allocated $(($(stat -c %b "$scratch/$image") * 512)) \
			"$(key "$scratch/$image" allocated)"
		equal sector-size 512 "$(key "$scratch/$image" sector-size)"
		equal depth 0 "$(key "$scratch/$image" depth)"
		equal in-use false "$(key "$scratch/$image" in-use)"
		equal dirty false "$(key "$scratch/$image" dirty)"
	done
}

test_block_size_of_an_image_without_blocks_is_null() {
	vhdfs-img create --fixed --size 10M "$scratch/a.vhd"
	equal block-size null "$(key "$scratch/a.vhd" block-size)"
}

test_chain_begins_with_the_leaf() {
	local format

	for format in vhd vhdx; do
		make_chain "$format"
		vhdfs-img info --chain --json "$scratch/2.$format" \
			>"$scratch/json"
		equal length 3 "$(jq length "$scratch/json")"
		equal depths "2 1 0" \
			"$(jq -r '.[].depth' "$scratch/json" | paste -sd ' ')"
		equal files "2 1 0" "$(jq -r '.[].file' "$scratch/json" |
			sed "s|.*/||; s|\.$format||" | paste -sd ' ')"
		equal "each names the next" \
			"$(jq -c '[.[1:][] | [.file, .id]]' "$scratch/json")" \
			"$(jq -c '[.[:-1][] | [.parent, .["parent-id"]]]' \
				"$scratch/json")"
		equal keys "$KEYS" "$(jq -r '.[1] | keys_unsorted[]' \
			"$scratch/json" | paste -sd ' ')"
	done
}

test_chain_of_one_image_is_an_array() {
	vhdfs-img create --size 10M "$scratch/a.vhdx"
	equal length 1 "$(vhdfs-img info --chain --json "$scratch/a.vhdx" |
		jq length)"
}

test_words_and_json_have_the_same_keys() {
	make_chain vhdx
	equal keys "$KEYS" "$(vhdfs-img info "$scratch/2.vhdx" |
		sed 's/:.*//' | paste -sd ' ')"
	equal images 3 \
		"$(vhdfs-img info --chain "$scratch/2.vhdx" | grep -c ^format:)"
}

test_in_use_is_reported_for_writers_and_readers() {
	make_chain vhdx
	hold "$scratch/2.vhdx" open
	equal in-use true "$(key "$scratch/2.vhdx" in-use)"
	equal "in-use of all" "true true true" "$(vhdfs-img info --chain --json \
		"$scratch/2.vhdx" | jq '.[]["in-use"]' | paste -sd ' ')"
	vhdfs-img info "$scratch/2.vhdx" >"$scratch/words"
	grep -Eq "^in-use: +yes, by disk-io \(process $hold_pid\)" \
		"$scratch/words"
	release
	equal in-use false "$(key "$scratch/2.vhdx" in-use)"
}

test_info_does_not_change_the_image() {
	local format before

	for format in vhd vhdx; do
		make_chain "$format"
		before=$(sha256_of "$scratch/2.$format")
		vhdfs-img info --chain "$scratch/2.$format" >/dev/null
		equal contents "$before" "$(sha256_of "$scratch/2.$format")"
	done
}

test_dirty_log_is_reported_and_not_replayed() {
	local image=iotest-dirtylog-10G-4M.vhdx before

	unpack_sample "$image"
	before=$(sha256_of "$scratch/$image")
	equal dirty true "$(key "$scratch/$image" dirty)"
	equal contents "$before" "$(sha256_of "$scratch/$image")"
}

test_samples_have_their_size_and_format() {
	local name size hash origin

	sample_manifest | while IFS=$'\t' read -r name size hash origin; do
		unpack_sample "$name"
	done
	sample_manifest | while IFS=$'\t' read -r name size hash origin; do
		equal "$name: size" "$size" \
			"$(key "$scratch/$name" virtual-size)"
		equal "$name: format" "${name##*.}" \
			"$(key "$scratch/$name" format)"
	done
	equal type differencing "$(key "$scratch/fat-differential.vhdx" type)"
	equal parent "$scratch/ntfs-parent.vhd" \
		"$(key "$scratch/ntfs-differential.vhd" parent)"
	equal block-size 33554432 "$(key "$scratch/ntfs-dynamic.vhdx" \
		block-size)"
	equal type fixed "$(key "$scratch/ntfs-fixed.vhd" type)"
}

test_other_files_are_refused() {
	echo text >"$scratch/text"
	: >"$scratch/empty.vhdx"
	expect_error 1 'text: .*expected a VHD or VHDX image' \
		vhdfs-img info "$scratch/text"
	expect_error 1 'empty\.vhdx: .*expected a VHD or VHDX image' \
		vhdfs-img info --json "$scratch/empty.vhdx"
	expect_error 1 'no: No such file' vhdfs-img info "$scratch/no"
	expect_error 1 'not a regular file' vhdfs-img info "$scratch"
}

test_missing_parent_is_an_error() {
	make_chain vhd
	rm "$scratch/0.vhd"
	expect_error 1 '1\.vhd: its parent .*0\.vhd is missing' \
		vhdfs-img info --json "$scratch/2.vhd"
	expect_error 1 '1\.vhd: its parent .*0\.vhd is missing' \
		vhdfs-img info --chain "$scratch/2.vhd"
}

test_parent_with_another_identifier_is_an_error() {
	local format

	for format in vhd vhdx; do
		make_chain "$format"
		rm "$scratch/0.$format"
		vhdfs-img create --size 10M "$scratch/0.$format"
		expect_error 1 'expected a parent with the identifier .*found' \
			vhdfs-img info "$scratch/2.$format"
	done
}

test_parent_that_was_written_is_an_error() {
	make_chain vhdx
	chmod u+w "$scratch/0.vhdx"
	disk-io "$scratch/0.vhdx" open
	vhdfs-img info "$scratch/2.vhdx" >/dev/null ||
		fail "expected success after an open of the parent without a write"
	disk-io "$scratch/0.vhdx" write 0 512 1
	expect_error 1 'expected a parent with the identifier .*found' \
		vhdfs-img info "$scratch/2.vhdx"
}

test_cycle_is_an_error() {
	vhdfs-img create --size 10M "$scratch/a.vhd"
	vhdfs-img create --parent "$scratch/a.vhd" "$scratch/b.vhd"
	# A copy of the child, under the name and identifier of its parent.
	disk-io "$scratch/b.vhd" open
	cp "$scratch/b.vhd" "$scratch/a.vhd.new"
	mv "$scratch/a.vhd.new" "$scratch/a.vhd"
	expect 1 vhdfs-img info "$scratch/b.vhd"
	equal "lines of error" 1 "$(wc -l <"$scratch/stderr")"
}

test_parents_outside_the_store_are_missing() {
	mkdir -p "$scratch/s/sub"
	make_chain vhdx
	cp "$scratch"/[12].vhdx "$scratch/s/"
	mv "$scratch/s/1.vhdx" "$scratch/s/2.vhdx" "$scratch/s/sub"
	# The parent names its own parent, which is outside.
	ln -s ../../0.vhdx "$scratch/s/sub/0.vhdx"
	vhdfs-img info "$scratch/s/sub/2.vhdx" >/dev/null
	expect_error 1 'outside|missing' vhdfs-img info --store "$scratch/s" \
		"$scratch/s/sub/2.vhdx"
	expect_error 1 'lies outside the store' vhdfs-img info \
		--store "$scratch/s" "$scratch/0.vhdx"
	rm "$scratch/s/sub/0.vhdx"
	cp "$scratch/0.vhdx" "$scratch/s/sub"
	cd "$scratch/s" || exit
	vhdfs-img info --json --store . sub/2.vhdx >"$scratch/json"
	equal parent "$(realpath sub/1.vhdx)" "$(jq -r .parent "$scratch/json")"
}

test_names_that_are_not_utf_8_are_escaped() {
	local name=$'a\xff\n.vhdx'

	cd "$scratch" || exit
	vhdfs-img create --size 10M "$name"
	equal file 'a\xff\x0a.vhdx' "$(key "$name" file)"
	rm "$name"
	expect_error 1 'No such file' vhdfs-img info "$name"
}

# Makes a child whose parent was moved to another directory.
parent_elsewhere() {
	mkdir "$scratch/s" "$scratch/a,b" "$scratch/empty"
	vhdfs-img create --size 4M "$scratch/s/base.$1"
	printf parents >"$scratch/text"
	disk-io "$scratch/s/base.$1" load 0 "$scratch/text"
	vhdfs-img create --parent "$scratch/s/base.$1" "$scratch/s/child.$1"
	mv "$scratch/s/base.$1" "$scratch/a,b/"
}

test_option_parents_finds_a_moved_parent() {
	local format more

	for format in vhd vhdx; do
		rm -rf "${scratch:?}"/{s,a,b,empty,flat,g} "$scratch/a,b"
		parent_elsewhere $format
		more=(--parents "$scratch/empty" --parents "$scratch/a,b")
		expect 1 vhdfs-img info "$scratch/s/child.$format"
		expect 0 vhdfs-img "${more[@]}" info --json \
			"$scratch/s/child.$format"
		equal "parent" "$scratch/a,b/base.$format" \
			"$(jq -r .parent "$scratch/stdout")"
		expect 0 vhdfs-img info --store "$scratch/s" "${more[@]}" \
			"$scratch/s/child.$format"
		expect 0 vhdfs-img check "${more[@]}" "$scratch/s/child.$format"
		expect 0 vhdfs-img map "${more[@]}" "$scratch/s/child.$format"
		expect 0 vhdfs-img create "${more[@]}" \
			--parent "$scratch/s/child.$format" \
			"$scratch/s/grandchild.$format"
		expect 0 vhdfs-img convert --format raw "${more[@]}" \
			"$scratch/s/grandchild.$format" "$scratch/flat"
		equal "contents" parents "$(head -c 7 "$scratch/flat")"
		expect_error 1 "nowhere" vhdfs-img info \
			--parents "$scratch/nowhere" "$scratch/s/child.$format"
	done
}

# Accents as one code point and as two; capital letters beyond ASCII.
test_parent_names_compare_as_in_ntfs() {
	local format

	for format in vhd vhdx; do
		rm -rf "${scratch:?}/s"
		mkdir "$scratch/s"
		vhdfs-img create --size 4M \
			"$scratch/s/"$'Stra\xc3\x9fe-Ma\xc3\xaetre'."$format"
		vhdfs-img create --parent "$scratch/s/Stra"* \
			"$scratch/s/child.$format"
		mv "$scratch/s/Stra"* \
			"$scratch/s/"$'STRASSE-MAI\xcc\x82TRE'."$format"
		expect 0 vhdfs-img info "$scratch/s/child.$format"
	done
}

run_tests
