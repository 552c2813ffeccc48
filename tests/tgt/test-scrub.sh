#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check --images: every image of the store is read and checked.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# make_images: a master, two clients with images, a snapshot and an old image.
make_images() {
	local client

	make_store
	mkdir "$scratch/store/clients"
	for client in pc1 pc2; do
		vhdfs-img create --parent "$scratch/store/masters/win11.vhdx" \
			"$scratch/store/clients/$client.vhdx"
	done
	vhdfs-img snapshot "$scratch/store/clients/pc1.vhdx" before
	cp "$scratch/store/clients/pc2.vhdx" \
		"$scratch/store/clients/.pc2.vhdx.20260131T235959.000001Z"
	write_fleet pc1 pc2 </dev/null
}

# damage FILE: destroys its headers.
damage() {
	chmod u+w "$1"
	dd if=/dev/urandom of="$1" bs=64K seek=1 count=2 conv=notrunc \
		status=none
}

test_sound_store_is_reported_in_one_line() {
	make_images
	expect 0 glue check --images
	equal "lines" 1 "$(wc -l <"$scratch/stdout")"
	did "^$scratch/store: 5 images: 5 sound, 0 unsound, 0 not checked; .* read$"
}

test_unsound_images_are_named_with_the_reason() {
	make_images
	damage "$scratch/store/clients/.pc2.vhdx.20260131T235959.000001Z"
	damage "$scratch/store/clients/pc2.vhdx"
	expect 1 glue check --images
	did '^clients/pc2.vhdx: unsound: .*expected .*, found '
	did '^clients/\.pc2\.vhdx\.20260131T235959\.000001Z: unsound: '
	did ': 5 images: 3 sound, 2 unsound, 0 not checked; '
}

test_unsound_images_and_the_summary_are_events() {
	make_images
	damage "$scratch/store/clients/pc2.vhdx"
	expect 1 glue check --images
	equal "unsound" "pc2 clients/pc2.vhdx" "$(jq -r \
		'select(.event == "unsound") | "\(.client) \(.image)"' \
		"$scratch/fleet.log")"
	equal "summary" "5 1 0" "$(jq -r 'select(.event == "scrub") |
		"\(.images) \(.unsound) \(."not-checked")"' "$scratch/fleet.log")"
	expect 0 glue log pc2
	did '  pc2: clients/pc2.vhdx is unsound: .*expected '
	expect 0 glue log
	did "  $scratch/store: 5 images were checked: 1 unsound, 0 not checked"
}

test_image_without_its_parent_is_unsound() {
	make_images
	rm "$scratch/store/clients/pc1@before.vhdx"
	expect 1 glue check --images
	did '^clients/pc1.vhdx: unsound: .*parent'
	did ': 4 images: 3 sound, 1 unsound, '
}

test_parents_come_first() {
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	make_images
	expect 0 strace -f -qq -o "$scratch/trace" -s 200 -e trace=execve \
		tgt-glue --config "$scratch/fleet.conf" check --images
	sed -n 's/.*execve(.*"check".*store\/\([^"]*\)".*= 0$/\1/p' \
		"$scratch/trace" >"$scratch/order"
	equal "order" "masters/win11.vhdx clients/pc1.vhdx" \
		"$(sed -n '1p;$p' "$scratch/order" | paste -sd ' ')"
}

# The data of an image is read, not only its tables: reads of a block fail.
test_files_that_are_no_regular_ones_are_left_alone() {
	make_images
	mkfifo "$scratch/store/fifo.vhdx"
	mkdir "$scratch/store/dir.vhdx"
	ln -s nowhere "$scratch/store/link.vhdx"
	expect 0 timeout "$hang_seconds" tgt-glue --config \
		"$scratch/fleet.conf" check --images
	did ': 5 images: 5 sound, 0 unsound, 0 not checked; '
}

test_data_that_cannot_be_read_is_reported() {
	local n

	requires strace
	make_images
	export ASAN_OPTIONS=detect_leaks=0
	for ((n = 20; n < 200; n += 2)); do
		! strace -qq -o "$scratch/trace" -e trace=pread64 \
			-e inject=pread64:error=EIO:when=$n \
			-P "$scratch/store/masters/win11.vhdx" \
			tgt-glue --config "$scratch/fleet.conf" check --images \
			>"$scratch/stdout" || continue
		! grep -q '^masters/win11.vhdx: unsound: .*Input/output error' \
			"$scratch/stdout" || return 0
	done
	fail "expected a report of a failed read, found: $(cat "$scratch/stdout")"
}

test_images_in_use_are_checked_or_named() {
	requires_initiator
	apply_fleet pc1 pc2
	hold_session pc1
	expect 0 glue check --images
	did ': 3 images: 3 sound, '
	works write 9
	expect 4 glue check --images
	did '^clients/pc1.vhdx: not checked: .*in use'
	did ': 3 images: 2 sound, 0 unsound, 1 not checked; '
	end_session
}

test_rate_needs_a_size_and_the_images() {
	make_images
	expect 0 glue check --images --rate 500M
	expect 2 glue check --images --rate fast
	said "expected a size such as 50M"
	expect 2 glue check --rate 50M
	said 'with --images'
}

test_images_and_explain_are_not_both_taken() {
	make_images
	expect 2 glue check --images --explain pc1
	said 'expected --images or --explain, found both'
}

run_tests
