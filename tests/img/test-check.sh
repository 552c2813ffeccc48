#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img check: its exit status and output.  The damage that each format's
# check finds is tested by the unit tests of the format.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/contents.sh"

requires jq

# Makes a dynamic, a fixed and a child image of each format, with data.
make_images() {
	local format

	for format in vhd vhdx; do
		vhdfs-img create --size 10M "$scratch/d.$format"
		disk-io "$scratch/d.$format" write 1000 3000000 1
		vhdfs-img create --size 10M --fixed "$scratch/f.$format"
		disk-io "$scratch/f.$format" write 1000 3000000 1
		vhdfs-img create --parent "$scratch/d.$format" \
			"$scratch/c.$format"
		disk-io "$scratch/c.$format" write 2000000 3000000 2
	done
}

# damage FILE OFFSET BYTES: overwrites; BYTES is a format of printf.
damage() {
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

test_sound_images_are_reported_sound() {
	local image

	make_images
	for image in {d,f,c}.{vhd,vhdx}; do
		expect 0 vhdfs-img check "$scratch/$image"
		equal "output" "$scratch/$image: sound" "$(cat "$scratch/stdout")"
		expect 0 vhdfs-img check --json "$scratch/$image"
		equal "JSON" "{\"file\":\"$scratch/$image\",\"sound\":true,\"errors\":[],\"leaked\":0,\"dirty\":false,\"in-use\":false,\"remarks\":[]}" \
			"$(jq -c . "$scratch/stdout")"
	done
}

test_repair_of_a_sound_image_changes_nothing() {
	local image before

	make_images
	for image in {d,f,c}.{vhd,vhdx}; do
		before=$(sha256_of "$scratch/$image")
		expect 0 vhdfs-img check --repair "$scratch/$image"
		equal "$image" "$before" "$(sha256_of "$scratch/$image")"
	done
}

test_check_changes_nothing() {
	local image before

	make_images
	damage "$scratch/d.vhd" 100 'x'
	damage "$scratch/d.vhdx" 65600 'x'
	for image in d.vhd d.vhdx; do
		before=$(sha256_of "$scratch/$image")
		expect 3 vhdfs-img check "$scratch/$image"
		equal "$image" "$before" "$(sha256_of "$scratch/$image")"
	done
}

# Damaged: the first copy of the VHD footer; the first VHDX header.
test_damage_is_found_and_repaired() {
	local image

	make_images
	damage "$scratch/d.vhd" 100 'x'
	damage "$scratch/d.vhdx" 65600 'x'
	for image in d.vhd d.vhdx; do
		expect 3 vhdfs-img check "$scratch/$image"
		grep -Eq "$image: .* at offset [0-9]+: expected .+, found .+" \
			"$scratch/stdout"
		grep -q "$image: damaged$" "$scratch/stdout"
		expect 3 vhdfs-img check --json "$scratch/$image"
		equal "keys" "file sound errors leaked dirty in-use remarks" \
			"$(jq -r 'keys_unsorted[]' "$scratch/stdout" |
			paste -sd ' ')"
		equal "keys" "structure offset expected found repaired" \
			"$(jq -r '.errors[0] | keys_unsorted[]' \
			"$scratch/stdout" | paste -sd ' ')"
		equal "sound, repaired" "false false" "$(jq -r \
			'"\(.sound) \(.errors[0].repaired)"' "$scratch/stdout")"
		expect 0 vhdfs-img check --repair --json "$scratch/$image"
		equal "sound, repaired" "true true" "$(jq -r \
			'"\(.sound) \(.errors[0].repaired)"' "$scratch/stdout")"
		expect 0 vhdfs-img check "$scratch/$image"
		disk-io "$scratch/$image" verify 1000 3000000 1
	done
}

# finds IMAGE PATTERN: a finding matches PATTERN; the image is not changed.
finds() {
	local before

	before=$(sha256_of "$1")
	expect 3 vhdfs-img check "$1"
	grep -Eq -e "$2" "$scratch/stdout" ||
		fail "expected a finding '$2', got: $(cat "$scratch/stdout")"
	equal "the image" "$before" "$(sha256_of "$1")"
}

# is_repaired IMAGE: --repair makes it sound.
is_repaired() {
	expect 0 vhdfs-img check --repair "$1"
	expect 0 vhdfs-img check "$1"
}

# bat_of IMAGE: prints the offset of its block table.
bat_of() {
	case $1 in
	*.vhd) echo $((0x$(dd if="$1" bs=1 skip=528 count=8 status=none |
		od -An -tx1 | tr -d ' '))) ;;
	*) echo $((3 << 20)) ;;
	esac
}

# The VHD entry is of a block that was never written, so it is cleared.
test_table_entry_past_the_end_is_damage() {
	make_images
	damage "$scratch/d.vhd" $(($(bat_of "$scratch/d.vhd") + 16)) \
		'\x00\x01\x00\x00'
	finds "$scratch/d.vhd" 'd\.vhd: .* at offset [0-9]+: expected'
	is_repaired "$scratch/d.vhd"
	disk-io "$scratch/d.vhd" verify 1000 3000000 1
	# The VHDX entry is of the block with data: its offset is not guessed.
	damage "$scratch/d.vhdx" "$(bat_of "$scratch/d.vhdx")" \
		'\x06\x00\x00\x40\x00\x00\x00\x00'
	finds "$scratch/d.vhdx" 'd\.vhdx: .* at offset 3145728: expected'
}

test_overlapping_blocks_are_damage() {
	local bat

	make_images
	bat=$(bat_of "$scratch/d.vhd")
	dd if="$scratch/d.vhd" of="$scratch/d.vhd" bs=1 skip="$bat" \
		seek=$((bat + 4)) count=4 conv=notrunc status=none
	finds "$scratch/d.vhd" 'd\.vhd: .*: expected'
	vhdfs-img create --size 10M --block-size 1M "$scratch/o.vhdx"
	disk-io "$scratch/o.vhdx" write 0 2097152 1
	bat=$(bat_of "$scratch/o.vhdx")
	dd if="$scratch/o.vhdx" of="$scratch/o.vhdx" bs=1 skip="$bat" \
		seek=$((bat + 8)) count=8 conv=notrunc status=none
	finds "$scratch/o.vhdx" 'o\.vhdx: block at offset [0-9]+: expected'
	# The block cannot be assigned to one of the two entries.
	expect 3 vhdfs-img check --repair "$scratch/d.vhd"
	expect 3 vhdfs-img check --repair "$scratch/o.vhdx"
}

test_wrong_checksum_is_damage() {
	make_images
	# The VHD footer; its copy is sound.
	damage "$scratch/d.vhd" $(($(size_of "$scratch/d.vhd") - 512 + 64)) 'xx'
	finds "$scratch/d.vhd" 'footer'
	is_repaired "$scratch/d.vhd"
	disk-io "$scratch/d.vhd" verify 1000 3000000 1
	# The second VHDX header, and the first region table.
	damage "$scratch/d.vhdx" 131076 'xx'
	damage "$scratch/d.vhdx" 196612 'xx'
	finds "$scratch/d.vhdx" 'header 2 at offset 131072: expected'
	grep -q 'region table 1 at offset 196608: expected' "$scratch/stdout"
	is_repaired "$scratch/d.vhdx"
	disk-io "$scratch/d.vhdx" verify 1000 3000000 1
}

# A block was written over the footer, and then the power failed.
test_vhd_footer_lost_in_a_crash_is_no_damage() {
	local end before

	make_images
	end=$(size_of "$scratch/d.vhd")
	truncate -s $((end - 512)) "$scratch/d.vhd"
	head -c 1000000 /dev/urandom >>"$scratch/d.vhd"
	before=$(sha256_of "$scratch/d.vhd")
	expect 0 vhdfs-img check "$scratch/d.vhd"
	equal "last line" "$scratch/d.vhd: sound; its footer is written when it is opened for writing" \
		"$(tail -n 1 "$scratch/stdout")"
	expect 0 vhdfs-img check --json "$scratch/d.vhd"
	equal "sound, dirty" "true true" "$(jq -r '"\(.sound) \(.dirty)"' \
		"$scratch/stdout")"
	equal "the image" "$before" "$(sha256_of "$scratch/d.vhd")"
	disk-io "$scratch/d.vhd" verify 1000 3000000 1
	cp "$scratch/d.vhd" "$scratch/e.vhd"
	is_repaired "$scratch/e.vhd"
	disk-io "$scratch/d.vhd" write 5000000 1000 2
	for image in d.vhd e.vhd; do
		disk-io "$scratch/$image" verify 1000 3000000 1
		expect 0 vhdfs-img check --json "$scratch/$image"
		equal "dirty" false "$(jq .dirty "$scratch/stdout")"
	done
}

test_unrepairable_image_stays_damaged() {
	make_images
	# Both VHDX headers; the checksum of the VHD dynamic header.
	damage "$scratch/d.vhdx" 65536 'xxxx'
	damage "$scratch/d.vhdx" 131072 'xxxx'
	damage "$scratch/d.vhd" 600 'xxxx'
	for image in d.vhd d.vhdx; do
		expect 3 vhdfs-img check "$scratch/$image"
		expect 3 vhdfs-img check --repair "$scratch/$image"
		grep -q "$image: damaged$" "$scratch/stdout"
	done
}

test_leaked_space_is_no_damage() {
	local image

	make_images
	for image in d.vhd d.vhdx; do
		# A block without an entry; in a VHD it is before the footer.
		if [ "$image" = d.vhd ]; then
			tail -c 512 "$scratch/d.vhd" >"$scratch/footer"
			truncate -s -512 "$scratch/d.vhd"
			head -c 4194304 /dev/urandom >>"$scratch/d.vhd"
			cat "$scratch/footer" >>"$scratch/d.vhd"
		else
			head -c 4194304 /dev/urandom >>"$scratch/d.vhdx"
		fi
		expect 0 vhdfs-img check --json "$scratch/$image"
		equal "sound, errors" "true 0" "$(jq -r \
			'"\(.sound) \(.errors | length)"' "$scratch/stdout")"
		[ "$(jq .leaked "$scratch/stdout")" -ge 4000000 ] ||
			fail "expected 4000000 leaked bytes or more, found" \
				"$(jq .leaked "$scratch/stdout")"
		expect 0 vhdfs-img check --repair "$scratch/$image"
		expect 0 vhdfs-img check --json "$scratch/$image"
		equal leaked 0 "$(jq .leaked "$scratch/stdout")"
		disk-io "$scratch/$image" verify 1000 3000000 1
	done
}

test_missing_parent_is_damage() {
	local format

	make_images
	for format in vhd vhdx; do
		rm "$scratch/d.$format"
		expect 3 vhdfs-img check "$scratch/c.$format"
		grep -Eq "c\.$format: parent: expected .*, found .*missing" \
			"$scratch/stdout"
		expect 3 vhdfs-img check --json "$scratch/c.$format"
		equal "error" '"parent" null false' "$(jq -c -r '.errors[0] |
			"\(.structure | tojson) \(.offset) \(.repaired)"' \
			"$scratch/stdout")"
		expect 3 vhdfs-img check --repair "$scratch/c.$format"
	done
}

test_changed_parent_is_damage() {
	make_images
	chmod u+w "$scratch/d.vhdx"
	disk-io "$scratch/d.vhdx" write 0 512 7
	expect 3 vhdfs-img check "$scratch/c.vhdx"
	grep -Eq 'c\.vhdx: parent: expected a parent with the identifier' \
		"$scratch/stdout"
}

# The file is checked, without the writer's memory.
test_image_of_an_idle_writer_is_checked() {
	local format before

	make_images
	for format in vhd vhdx; do
		hold "$scratch/c.$format" "write 0 4096 9 flush"
		before=$(sha256_of "$scratch/c.$format")
		expect 0 vhdfs-img check "$scratch/c.$format"
		has_line "c\.$format: in use by disk-io (process $hold_pid)$" \
			"$scratch/stdout"
		has_line "c\.$format: not checked: changes that its writer has not" \
			"$scratch/stdout"
		expect 0 vhdfs-img check --json "$scratch/c.$format"
		equal "sound, in-use" "true true" "$(jq -r \
			'"\(.sound) \(.["in-use"])"' "$scratch/stdout")"
		equal "the image" "$before" "$(sha256_of "$scratch/c.$format")"
		expect_error 1 "c\.$format: .*in use by disk-io" \
			vhdfs-img check --repair "$scratch/c.$format"
		release
		expect 0 vhdfs-img check "$scratch/c.$format"
	done
}

test_damage_is_found_while_the_image_is_in_use() {
	make_images
	hold "$scratch/c.vhdx" open
	damage "$scratch/c.vhdx" 196612 'xx'
	expect 3 vhdfs-img check "$scratch/c.vhdx"
	grep -q 'region table 1 at offset 196608' "$scratch/stdout"
	release
}

# refused IMAGE: check ends with status 1 and names the process that uses it.
refused() {
	local status=0

	vhdfs-img check "$1" >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
	[ "$status" = 1 ] && [ ! -s "$scratch/stdout" ] &&
		grep -q 'in use by disk-io (process [0-9]*) and being written' \
			"$scratch/stderr"
}

test_image_that_is_being_written_is_refused() {
	local writer

	make_images
	hold "$scratch/c.vhdx" open
	while [ ! -e "$scratch/stop" ]; do
		printf v 1<>"$scratch/c.vhdx"
	done &
	writer=$!
	# On a busy machine the writer may be idle during a check.
	wait_until 60 refused "$scratch/c.vhdx"
	: >"$scratch/stop"
	wait "$writer"
	release
}

# An open child keeps its parent open for reading.
test_image_in_use_by_readers_is_checked() {
	make_images
	hold "$scratch/c.vhd" open
	expect 0 vhdfs-img check "$scratch/d.vhd"
	has_line "d\.vhd: in use by disk-io" "$scratch/stdout"
	! grep -q "not checked" "$scratch/stdout" ||
		fail "expected a complete check: $(cat "$scratch/stdout")"
	expect_error 1 "d\.vhd: .*in use by disk-io" \
		vhdfs-img check --repair "$scratch/d.vhd"
	release
	expect 0 vhdfs-img check "$scratch/d.vhd"
	equal "lines" 1 "$(wc -l <"$scratch/stdout")"
}

test_log_to_replay_is_no_damage() {
	local image=iotest-dirtylog-10G-4M.vhdx before

	requires qemu-img
	unpack_sample "$image"
	before=$(sha256_of "$scratch/$image")
	expect 0 vhdfs-img check "$scratch/$image"
	equal "last line" "$scratch/$image: sound; 1 log entries are replayed when it is opened" \
		"$(tail -n 1 "$scratch/stdout")"
	expect 0 vhdfs-img check --json "$scratch/$image"
	equal "sound, errors, dirty" "true 0 true" "$(jq -r \
		'"\(.sound) \(.errors | length) \(.dirty)"' "$scratch/stdout")"
	equal "the image" "$before" "$(sha256_of "$scratch/$image")"
	# Readers replay the log in memory: the repair does not change the disk.
	vhdfs-img convert "$scratch/$image" "$scratch/before.raw"
	expect 0 vhdfs-img check --repair "$scratch/$image"
	expect 0 vhdfs-img check --json "$scratch/$image"
	equal "dirty" false "$(jq .dirty "$scratch/stdout")"
	vhdfs-img convert "$scratch/$image" "$scratch/after.raw"
	qemu-img compare -f raw -F raw "$scratch/before.raw" \
		"$scratch/after.raw"
}

test_samples_are_sound() {
	local name rest

	sample_manifest | while IFS=$'\t' read -r name rest; do
		unpack_sample "$name"
	done
	sample_manifest | while IFS=$'\t' read -r name rest; do
		expect 0 vhdfs-img check "$scratch/$name"
	done
}

test_other_files_are_refused() {
	echo text >"$scratch/text"
	expect_error 1 'text: .*expected a VHD or VHDX image' \
		vhdfs-img check "$scratch/text"
	expect_error 1 'no\.vhdx: No such file' \
		vhdfs-img check "$scratch/no.vhdx"
	expect_error 1 'not a regular file' vhdfs-img check "$scratch"
}

# The name is an image's; the signature, or all content, is lost.
test_image_without_its_signature_is_damaged() {
	: >"$scratch/empty.vhdx"
	head -c 1000000 /dev/urandom >"$scratch/random.vhd"
	for image in empty.vhdx random.vhd; do
		expect 3 vhdfs-img check "$scratch/$image"
		grep -q "$image: file at offset 0: expected" "$scratch/stdout"
		expect 3 vhdfs-img check --repair "$scratch/$image"
	done
	equal size 0 "$(size_of "$scratch/empty.vhdx")"
}

test_repair_needs_a_file_that_can_be_written() {
	requires_root
	mkdir "$scratch/ro"
	make_images
	mount --bind "$scratch/ro" "$scratch/ro" || skip "no bind mounts"
	at_exit umount "$scratch/ro"
	cp "$scratch/f.vhd" "$scratch/ro"
	mount -o remount,bind,ro "$scratch/ro"
	expect 0 vhdfs-img check "$scratch/ro/f.vhd"
	expect_error 1 'Read-only file system' \
		vhdfs-img check --repair "$scratch/ro/f.vhd"
}

test_parent_outside_the_store_is_damage() {
	mkdir "$scratch/s"
	make_images
	expect_error 1 'lies outside the store' vhdfs-img check \
		--store "$scratch/s" "$scratch/c.vhd"
	cp "$scratch/c.vhd" "$scratch/s"
	ln -s ../d.vhd "$scratch/s/d.vhd"
	expect 0 vhdfs-img check "$scratch/s/c.vhd"
	expect 3 vhdfs-img check --store "$scratch/s" "$scratch/s/c.vhd"
}

test_findings_beyond_1000_are_counted() {
	vhdfs-img create --size 4G --block-size 2M "$scratch/a.vhd"
	dd if=/dev/zero of="$scratch/a.vhd" bs=512 seek=3 count=16 \
		conv=notrunc status=none
	expect 3 vhdfs-img check "$scratch/a.vhd"
	equal "lines" 1002 "$(wc -l <"$scratch/stdout")"
	has_line 'expected no more damage, found 1048 more places$' "$scratch/stdout"
	expect 3 vhdfs-img check --json "$scratch/a.vhd"
	equal "errors" 1001 "$(jq '.errors | length' "$scratch/stdout")"
	expect 0 vhdfs-img check --repair "$scratch/a.vhd"
	expect 0 vhdfs-img check "$scratch/a.vhd"
	equal "lines" 1 "$(wc -l <"$scratch/stdout")"
}

# A VHD child stores the modification time of its parent.  Another time is no
# damage.  Here another program writes the parent and keeps its identifier.
test_parent_written_after_its_child_was_made_is_a_warning() {
	local text='parent time stamp at offset 568: expected a parent last'

	requires qemu-io
	vhdfs-img create --size 4M "$scratch/m.vhd"
	touch -d 2026-01-02T03:04:05Z "$scratch/m.vhd"
	vhdfs-img create --parent "$scratch/m.vhd" "$scratch/c.vhd"
	vhdfs-img create --parent "$scratch/c.vhd" "$scratch/g.vhd"
	expect 0 vhdfs-img check "$scratch/g.vhd"
	equal "no warning" "$scratch/g.vhd: sound" "$(cat "$scratch/stdout")"
	expect 0 vhdfs-img info --json "$scratch/c.vhd"
	equal "no warning" false "$(jq 'has("warning")' "$scratch/stdout")"
	chmod u+w "$scratch/m.vhd"
	qemu-io -f vpc -c 'write 64k 64k' "$scratch/m.vhd"
	for image in c g; do
		expect 0 vhdfs-img check "$scratch/$image.vhd"
		grep -q "^warning: .*c.vhd: $text.* at 2026-01-02T03:04:05Z, found .*m.vhd" \
			"$scratch/stdout" || fail "expected the warning '$text'," \
			"found: $(cat "$scratch/stdout")"
		tail -n 1 "$scratch/stdout" | grep -q ': sound$'
	done
	expect 0 vhdfs-img check --json "$scratch/c.vhd"
	equal "JSON" 'true 1' \
		"$(jq -r '"\(.sound) \(.warnings | length)"' "$scratch/stdout")"
	expect 0 vhdfs-img info --json --chain "$scratch/g.vhd"
	equal "warnings" '[false,true,false]' \
		"$(jq -c 'map(has("warning"))' "$scratch/stdout")"
	expect 0 vhdfs-img info "$scratch/c.vhd"
	grep -q "^warning: .*$text" "$scratch/stdout"
}

# Windows stores no time.
test_child_without_a_parent_time_has_no_warning() {
	vhdfs-img create --size 4M "$scratch/m.vhd"
	touch -d @946684800 "$scratch/m.vhd"
	vhdfs-img create --parent "$scratch/m.vhd" "$scratch/c.vhd"
	touch "$scratch/m.vhd"
	expect 0 vhdfs-img check "$scratch/c.vhd"
	equal "output" "$scratch/c.vhd: sound" "$(cat "$scratch/stdout")"
}

run_tests
