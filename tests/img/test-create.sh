#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img create: formats, sizes, children and their parents.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

create() {
	vhdfs-img create "$@"
}

# only_files NAME...: the directory has these files alone.
only_files() {
	equal "files" "$*" "$(find "$scratch" -type f ! -name 'std*' \
		-printf '%f\n' | sort | paste -sd ' ')"
}

test_name_selects_the_format() {
	local pair

	cd "$scratch" || exit
	for pair in a.vhd:vhd b.VHD:vhd c.avhd:vhd d.vhdx:vhdx e.VhdX:vhdx \
		f.avhdx:vhdx g:vhdx h.img:vhdx vhd:vhdx; do
		create --size 10M "${pair%:*}"
		equal "format of ${pair%:*}" "${pair#*:}" \
			"$(key "${pair%:*}" format)"
	done
}

test_option_selects_the_format() {
	create --format vhd --size 10M "$scratch/a.vhdx"
	equal format vhd "$(key "$scratch/a.vhdx" format)"
	create --format vhdx --size 10M "$scratch/a.vhd"
	equal format vhdx "$(key "$scratch/a.vhd" format)"
}

test_dynamic_image_is_small_and_fixed_image_is_full() {
	local format

	for format in vhd vhdx; do
		create --size 20M "$scratch/d.$format"
		create --size 20M --fixed "$scratch/f.$format"
		equal type dynamic "$(key "$scratch/d.$format" type)"
		equal type fixed "$(key "$scratch/f.$format" type)"
		[ "$(key "$scratch/d.$format" allocated)" -lt 8000000 ] ||
			fail "expected a dynamic $format to be small"
		[ "$(key "$scratch/f.$format" allocated)" -ge 20971520 ] ||
			fail "expected a fixed $format to take its size"
		vhdfs-img check "$scratch/d.$format"
		vhdfs-img check "$scratch/f.$format"
	done
}

test_new_disks_read_zeros() {
	local image

	make_model "$scratch/zeros" 5M
	for image in d.vhd d.vhdx; do
		create --size 5M "$scratch/$image"
		same_disk "$scratch/$image" "$scratch/zeros"
		create --size 5M --fixed "$scratch/f$image"
		same_disk "$scratch/f$image" "$scratch/zeros"
	done
}

test_sizes_may_have_a_unit() {
	local pair

	cd "$scratch" || exit
	for pair in 3145728:3145728 5120K:5242880 7M:7340032 3G:3221225472 \
		1T:1099511627776 3m:3145728; do
		create --size "${pair%:*}" "a${pair%:*}.vhdx"
		equal "size ${pair%:*}" "${pair#*:}" \
			"$(key "a${pair%:*}.vhdx" virtual-size)"
	done
}

test_sizes_are_not_rounded() {
	create --size 10486272 "$scratch/a.vhd"
	equal size 10486272 "$(key "$scratch/a.vhd" virtual-size)"
	create --size 10486272 "$scratch/a.vhdx"
	equal size 10486272 "$(key "$scratch/a.vhdx" virtual-size)"
}

test_largest_size_of_each_format_is_accepted() {
	create --size 2040G "$scratch/a.vhd"
	equal size 2190433320960 "$(key "$scratch/a.vhd" virtual-size)"
	create --size 64T "$scratch/a.vhdx"
	equal size 70368744177664 "$(key "$scratch/a.vhdx" virtual-size)"
}

test_invalid_size_of_a_format_is_refused() {
	expect_error 1 '2040 GiB' vhdfs-img create --size 2041G \
		"$scratch/a.vhd"
	expect_error 1 '64 TiB' vhdfs-img create --size 65T \
		"$scratch/a.vhdx"
	expect_error 1 'multiple of 512' vhdfs-img create --size 1000000 \
		"$scratch/a.vhd"
	expect_error 1 'sectors' vhdfs-img create --size 1000000 \
		"$scratch/a.vhdx"
	expect_error 1 'sectors' vhdfs-img create --sector-size 4096 \
		--size 10486272 "$scratch/a.vhdx"
	only_files
}

test_block_size_is_used() {
	local size

	for size in 1M 2M 4M 32M 256M; do
		create --size 300M --block-size "$size" "$scratch/$size.vhdx"
		equal "block size" $((${size%M} << 20)) \
			"$(key "$scratch/$size.vhdx" block-size)"
	done
	for size in 512K 1M 2M 4M; do
		create --size 300M --block-size "$size" "$scratch/$size.vhd"
		equal "block size" "$(numfmt --from=iec "$size")" \
			"$(key "$scratch/$size.vhd" block-size)"
	done
}

test_invalid_block_size_of_a_format_is_refused() {
	local size

	for size in 512K 3M 512M 1048577; do
		expect_error 1 'block' vhdfs-img create --size 1G \
			--block-size "$size" "$scratch/a.vhdx"
	done
	for size in 3M 1000; do
		expect_error 1 'block' vhdfs-img create --size 1G \
			--block-size "$size" "$scratch/a.vhd"
	done
	only_files
}

test_sector_size_is_used() {
	create --size 10M --sector-size 512 "$scratch/a.vhdx"
	equal "sector size" 512 "$(key "$scratch/a.vhdx" sector-size)"
	create --size 10M --sector-size 4096 "$scratch/b.vhdx"
	equal "sector size" 4096 "$(key "$scratch/b.vhdx" sector-size)"
	equal "physical" 4096 "$(key "$scratch/b.vhdx" physical-sector-size)"
	create --size 10M --sector-size 512 "$scratch/a.vhd"
	expect_error 1 '512' vhdfs-img create --size 10M --sector-size 4096 \
		"$scratch/b.vhd"
	only_files a.vhd a.vhdx b.vhdx
}

test_ids_differ() {
	local i

	for i in 1 2 3; do
		create --size 5M "$scratch/$i.vhd"
		create --size 5M "$scratch/$i.vhdx"
		key "$scratch/$i.vhd" id >>"$scratch/ids"
		key "$scratch/$i.vhdx" id >>"$scratch/ids"
	done
	grep -Evx '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' "$scratch/ids" &&
		fail "expected GUIDs, found other identifiers"
	equal "different ids" 6 "$(sort -u "$scratch/ids" | wc -l)"
}

test_existing_file_is_not_overwritten() {
	echo precious >"$scratch/a.vhdx"
	ln -s nowhere "$scratch/link.vhdx"
	mkdir "$scratch/dir.vhdx"
	for name in a link dir; do
		expect_error 1 "$name.vhdx: exists" vhdfs-img create \
			--size 10M "$scratch/$name.vhdx"
	done
	equal content precious "$(cat "$scratch/a.vhdx")"
	only_files a.vhdx
}

test_missing_directory_is_an_error() {
	expect_error 1 'no/a.vhdx: No such file' vhdfs-img create --size 10M \
		"$scratch/no/a.vhdx"
	only_files
}

test_umask_is_applied() {
	(umask 027 && create --size 10M "$scratch/a.vhdx")
	equal mode 640 "$(stat -c %a "$scratch/a.vhdx")"
}

test_relative_names_are_accepted() {
	cd "$scratch" || exit
	create --size 10M a.vhdx
	create --parent a.vhdx b.vhdx
	equal parent "$(realpath a.vhdx)" "$(key b.vhdx parent)"
}

make_parent() {
	create --size 10M "$scratch/p.$1"
	make_model "$scratch/model" 10M
	put "$scratch/p.$1" "$scratch/model" write 0 100000 1 write 5000001 77 2
}

test_child_reads_as_its_parent() {
	local format

	for format in vhd vhdx; do
		make_parent "$format"
		create --parent "$scratch/p.$format" "$scratch/c.$format"
		same_disk "$scratch/c.$format" "$scratch/model"
		equal type differencing "$(key "$scratch/c.$format" type)"
		equal depth 1 "$(key "$scratch/c.$format" depth)"
		equal parent "$(realpath "$scratch/p.$format")" \
			"$(key "$scratch/c.$format" parent)"
		equal parent-id "$(key "$scratch/p.$format" id)" \
			"$(key "$scratch/c.$format" parent-id)"
	done
}

test_child_is_small() {
	local format

	for format in vhd vhdx; do
		create --size 40G "$scratch/p.$format"
		create --parent "$scratch/p.$format" "$scratch/c.$format"
		[ "$(key "$scratch/c.$format" allocated)" -le 262144 ] ||
			fail "expected at most 262144 bytes, found" \
				"$(key "$scratch/c.$format" allocated)"
	done
}

test_child_has_the_format_of_its_parent() {
	make_parent vhd
	create --parent "$scratch/p.vhd" "$scratch/c"
	equal format vhd "$(key "$scratch/c" format)"
	create --format vhd --parent "$scratch/p.vhd" "$scratch/d"
	equal format vhd "$(key "$scratch/d" format)"
	expect_error 1 'p\.vhd: format: expected vhdx, found vhd' \
		vhdfs-img create --format vhdx --parent "$scratch/p.vhd" \
		"$scratch/e"
	only_files c d model p.vhd
}

test_child_has_the_sector_size_of_its_parent() {
	create --size 10M --sector-size 4096 "$scratch/p.vhdx"
	create --parent "$scratch/p.vhdx" "$scratch/c.vhdx"
	equal "sector size" 4096 "$(key "$scratch/c.vhdx" sector-size)"
	expect_error 1 'p\.vhdx: sector size: expected 512, found 4096' \
		vhdfs-img create --sector-size 512 --parent "$scratch/p.vhdx" \
		"$scratch/d.vhdx"
	only_files c.vhdx p.vhdx
}

test_child_may_have_another_block_size() {
	make_parent vhdx
	create --block-size 1M --parent "$scratch/p.vhdx" "$scratch/c.vhdx"
	equal "block size" 1048576 "$(key "$scratch/c.vhdx" block-size)"
	same_disk "$scratch/c.vhdx" "$scratch/model"
}

# as_guest COMMAND...: runs it as a user without files here.
as_guest() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

test_immutable_parent_keeps_its_write_bits() {
	local parent=$scratch/p.vhdx

	requires_root
	requires chattr setpriv
	vhdfs-img create --size 4M "$parent"
	chattr +i "$parent" || skip "no immutable files here"
	at_exit chattr -i "$parent"
	vhdfs-img create --parent "$parent" "$scratch/a.vhdx"
	equal "mode" 644 "$(stat -c %a "$parent")"
}

test_writable_parent_of_another_user_is_refused() {
	local parent=$scratch/p.vhdx

	requires_root
	requires setpriv
	chmod 755 "$lib_dir" "$scratch"
	mkdir -m 777 "$scratch/children"
	vhdfs-img create --size 4M "$parent"
	as_guest vhdfs-img create --parent "$parent" "$scratch/children/a.vhdx"
	equal "mode" 644 "$(stat -c %a "$parent")"
	# The user can write this parent, but cannot change its permissions.
	chmod 666 "$parent"
	expect_error 1 'p\.vhdx: cannot remove its write permission.*chmod a-w .*p\.vhdx' \
		as_guest vhdfs-img create --parent "$parent" \
		"$scratch/children/b.vhdx"
	equal "files" a.vhdx "$(ls -A "$scratch/children")"
}

test_parent_loses_only_its_write_bits() {
	local before

	make_parent vhdx
	chmod 664 "$scratch/p.vhdx"
	before=$(sha256_of "$scratch/p.vhdx") \
		time=$(stat -c %y "$scratch/p.vhdx")
	create --parent "$scratch/p.vhdx" "$scratch/c.vhdx"
	equal mode 444 "$(stat -c %a "$scratch/p.vhdx")"
	equal contents "$before" "$(sha256_of "$scratch/p.vhdx")"
	equal "modification time" "$time" "$(stat -c %y "$scratch/p.vhdx")"
	create --parent "$scratch/p.vhdx" "$scratch/d.vhdx"
	equal contents "$before" "$(sha256_of "$scratch/p.vhdx")"
}

test_moved_store_keeps_its_chains() {
	local format

	mkdir -p "$scratch/s/masters" "$scratch/s/clients/a"
	for format in vhd vhdx; do
		make_parent "$format"
		mv "$scratch/p.$format" "$scratch/s/masters"
		create --parent "$scratch/s/masters/p.$format" \
			"$scratch/s/clients/a/c.$format"
	done
	mv "$scratch/s" "$scratch/t"
	same_disk "$scratch/t/clients/a/c.vhdx" "$scratch/model"
	same_disk "$scratch/t/clients/a/c.vhd" "$scratch/model"
}

test_chain_of_65_images_equals_its_model() {
	local format i

	for format in vhd vhdx; do
		make_parent "$format"
		cp "$scratch/p.$format" "$scratch/0.$format"
		for i in $(seq 64); do
			create --parent "$scratch/$((i - 1)).$format" \
				"$scratch/$i.$format"
			put "$scratch/$i.$format" "$scratch/model" \
				write $((i * 100000)) 1000 "$i"
		done
		equal depth 64 "$(key "$scratch/64.$format" depth)"
		same_disk "$scratch/64.$format" "$scratch/model"
	done
}

test_parent_that_is_missing_or_no_image_is_refused() {
	echo text >"$scratch/text.vhdx"
	expect_error 1 'p\.vhdx: No such file' vhdfs-img create \
		--parent "$scratch/p.vhdx" "$scratch/c.vhdx"
	expect_error 1 'text\.vhdx: file.*: expected a VHD or VHDX image' \
		vhdfs-img create --parent "$scratch/text.vhdx" "$scratch/c.vhdx"
	expect_error 1 'not a regular file' vhdfs-img create \
		--parent "$scratch" "$scratch/c.vhdx"
	only_files text.vhdx
}

test_parent_with_a_missing_parent_is_refused() {
	make_parent vhdx
	create --parent "$scratch/p.vhdx" "$scratch/c.vhdx"
	rm "$scratch/p.vhdx"
	expect_error 1 'c\.vhdx: its parent .*p\.vhdx is missing' vhdfs-img \
		create --parent "$scratch/c.vhdx" "$scratch/d.vhdx"
	only_files c.vhdx model
}

test_parent_in_use_by_a_writer_is_refused() {
	make_parent vhdx
	hold "$scratch/p.vhdx" open
	expect_error 1 'p\.vhdx: .*in use by .*disk-io' vhdfs-img create \
		--parent "$scratch/p.vhdx" "$scratch/c.vhdx"
	[ ! -e "$scratch/c.vhdx" ]
	[ -w "$scratch/p.vhdx" ]
	equal mode 644 "$(stat -c %a "$scratch/p.vhdx")"
	release
	create --parent "$scratch/p.vhdx" "$scratch/c.vhdx"
}

test_parent_in_use_by_readers_is_accepted() {
	make_parent vhdx
	create --parent "$scratch/p.vhdx" "$scratch/c.vhdx"
	hold "$scratch/c.vhdx" open
	create --parent "$scratch/p.vhdx" "$scratch/d.vhdx"
	release
}

test_paths_outside_the_store_are_refused() {
	mkdir "$scratch/s"
	make_parent vhdx
	expect_error 1 'lies outside the store' vhdfs-img create \
		--store "$scratch/s" --size 10M "$scratch/a.vhdx"
	expect_error 1 'lies outside the store' vhdfs-img create \
		--store "$scratch/s" --parent "$scratch/p.vhdx" \
		"$scratch/s/c.vhdx"
	ln -s ../p.vhdx "$scratch/s/link.vhdx"
	expect_error 1 'lies outside the store' vhdfs-img create \
		--store "$scratch/s" --parent "$scratch/s/link.vhdx" \
		"$scratch/s/c.vhdx"
	only_files model p.vhdx
	cp "$scratch/p.vhdx" "$scratch/s"
	create --store "$scratch/s" --parent "$scratch/s/p.vhdx" \
		"$scratch/s/c.vhdx"
	same_disk "$scratch/s/c.vhdx" "$scratch/model"
}

test_store_that_is_no_directory_is_refused() {
	touch "$scratch/file"
	expect_error 1 'file: Not a directory' vhdfs-img create \
		--store "$scratch/file" --size 10M "$scratch/a.vhdx"
	expect_error 1 'no: No such file' vhdfs-img create \
		--store "$scratch/no" --size 10M "$scratch/a.vhdx"
}

# The temporary file is created first; its format refuses afterwards.
test_create_that_fails_leaves_no_file() {
	mkdir "$scratch/d"
	expect_error 1 'too\.vhd: ' \
		vhdfs-img create --size 3T "$scratch/d/too.vhd"
	expect_error 1 'odd\.vhdx: ' \
		vhdfs-img create --size 1001 "$scratch/d/odd.vhdx"
	equal "files" "" "$(find "$scratch/d" -type f)"
}

run_tests
