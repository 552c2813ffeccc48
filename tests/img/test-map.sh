#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img map: the extents of the disk, and the formats of the output.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

map() {
	vhdfs-img map --json "$@" >"$scratch/map"
}

# The extents are adjacent, cover the whole disk, and cannot be joined.
check_map() {
	equal "sum of lengths" "$2" "$(jq 'map(.length) | add' "$scratch/map")"
	equal "each starts where the last one ends" true "$(jq '
		reduce .[] as $e ({at: 0, ok: true};
			{at: ($e.start + $e.length),
			 ok: (.ok and $e.start == .at)}) | .ok' "$scratch/map")"
	equal "keys" '["start","length","depth","zero","data","offset"]' \
		"$(jq -c '[.[] | keys_unsorted] | unique | .[]' "$scratch/map")"
	equal "zero or data" true "$(jq 'all(.zero != .data)' "$scratch/map")"
	equal "an offset for data only" true \
		"$(jq 'all(.data == (.offset != null))' "$scratch/map")"
	equal "neighbours are joined" true "$(jq '
		[.[:-1], .[1:]] | transpose | all(.[0].zero != .[1].zero or
			.[0].depth != .[1].depth or (.[0].data and
			.[0].offset + .[0].length != .[1].offset))' \
		"$scratch/map")"
}

# The bytes at the offsets in the map, and its zeros, are the disk.
check_contents() {
	local files=("${@:2}") start length depth data offset

	jq -r '.[] | [.start, .length, .depth, .data, .offset] |
		map(tostring) | join(" ")' "$scratch/map" |
		while read -r start length depth data offset; do
			if [ "$data" = true ]; then
				tail -c "+$((offset + 1))" "${files[depth]}" |
					head -c "$length"
			else
				head -c "$length" /dev/zero
			fi
		done 2>/dev/null | cmp - "$1"
}

test_map_of_a_random_chain_gives_the_disk() {
	local format

	choose_seed
	for format in vhd vhdx; do
		rm -f "$scratch/model"
		make_model "$scratch/model" 20M
		vhdfs-img create --size 20M "$scratch/0.$format"
		put_random "$scratch/0.$format" "$scratch/model" 30
		vhdfs-img create --parent "$scratch/0.$format" \
			"$scratch/1.$format"
		put_random "$scratch/1.$format" "$scratch/model" 30
		vhdfs-img create --parent "$scratch/1.$format" \
			"$scratch/2.$format"
		put_random "$scratch/2.$format" "$scratch/model" 30
		map "$scratch/2.$format"
		check_map "$scratch/2.$format" 20971520
		set +o pipefail
		check_contents "$scratch/model" "$scratch/2.$format" \
			"$scratch/1.$format" "$scratch/0.$format"
	done
}

test_empty_disk_is_one_extent_without_an_image() {
	local image

	for image in a.vhd a.vhdx; do
		vhdfs-img create --size 100G "$scratch/$image"
		equal map '[{"start":0,"length":107374182400,"depth":null,"zero":true,"data":false,"offset":null}]' \
			"$(vhdfs-img map --json "$scratch/$image" | jq -c)"
	done
}

test_depth_is_the_image_in_the_chain() {
	local format

	for format in vhd vhdx; do
		vhdfs-img create --size 20M "$scratch/0.$format"
		disk-io "$scratch/0.$format" write 0 4096 1
		vhdfs-img create --parent "$scratch/0.$format" \
			"$scratch/1.$format"
		disk-io "$scratch/1.$format" write 10485760 4096 1
		map "$scratch/1.$format"
		check_map "$scratch/1.$format" 20971520
		equal "depth at 0" 1 "$(jq '.[0].depth' "$scratch/map")"
		equal "depth at 10 MiB" 0 "$(jq '[.[] | select(.start <= 10485760
			and .start + .length > 10485760)][0].depth' \
			"$scratch/map")"
	done
}

test_zeros_over_parent_data_belong_to_the_child() {
	vhdfs-img create --size 40M --block-size 1M "$scratch/0.vhdx"
	disk-io "$scratch/0.vhdx" write 0 4194304 1
	vhdfs-img create --parent "$scratch/0.vhdx" --block-size 1M \
		"$scratch/1.vhdx"
	disk-io "$scratch/1.vhdx" punch 1048576 1048576
	equal "the zero" '[{"start":1048576,"length":1048576,"depth":0,"zero":true,"data":false,"offset":null}]' \
		"$(vhdfs-img map --json "$scratch/1.vhdx" | jq -c \
			'[.[] | select(.depth == 0)]')"
}

test_table_has_a_column_for_each_value() {
	vhdfs-img create --size 20M "$scratch/0.vhd"
	disk-io "$scratch/0.vhd" write 0 4096 1
	expect 0 vhdfs-img map "$scratch/0.vhd"
	grep -Eq '^ +START +LENGTH +DEPTH +KIND +OFFSET +FILE$' \
		"$scratch/stdout"
	grep -Eq "^ +0 +[0-9]+ +0 data +[0-9]+ +.*/0\.vhd$" "$scratch/stdout"
	grep -Eq "^ +[0-9]+ +[0-9]+ +- zero +- +-$" "$scratch/stdout"
}

test_image_in_use_is_noted_and_mapped() {
	vhdfs-img create --size 20M "$scratch/0.vhdx"
	hold "$scratch/0.vhdx" open
	expect 0 vhdfs-img map --json "$scratch/0.vhdx"
	grep -Eq "0\.vhdx: in use by disk-io \(process $hold_pid\)" \
		"$scratch/stderr"
	equal length 1 "$(jq length "$scratch/stdout")"
	release
	expect 0 vhdfs-img map --json "$scratch/0.vhdx"
	[ ! -s "$scratch/stderr" ] ||
		fail "expected no note, found: $(cat "$scratch/stderr")"
}

test_largest_disk_needs_little_time_and_memory() {
	vhdfs-img create --size 64T "$scratch/0.vhdx"
	disk-io "$scratch/0.vhdx" write 30000000000000 10000000 1
	timeout "$hang_seconds" vhdfs-img map --json "$scratch/0.vhdx" >"$scratch/map"
	check_map "$scratch/0.vhdx" 70368744177664
}

test_other_files_are_refused() {
	echo text >"$scratch/text"
	expect_error 1 'text: .*expected a VHD or VHDX image' \
		vhdfs-img map "$scratch/text"
	expect_error 1 'text: .*expected a VHD or VHDX image' \
		vhdfs-img map --json "$scratch/text"
	expect_error 1 'no: No such file' vhdfs-img map "$scratch/no"
}

test_image_outside_the_store_is_refused() {
	mkdir "$scratch/s"
	vhdfs-img create --size 10M "$scratch/0.vhdx"
	expect_error 1 'lies outside the store' vhdfs-img map \
		--store "$scratch/s" "$scratch/0.vhdx"
	expect 0 vhdfs-img map --store "$scratch" "$scratch/0.vhdx"
}

run_tests
