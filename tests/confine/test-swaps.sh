#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Names change between a target inside and one outside the store, thousands of
# times a second, while they are looked up: a file outside is never served, written
# or used as a parent.
. "${0%/*}/../lib.sh"
. "${0%/*}/../mount/common.sh"
. "${0%/*}/../locks/common.sh"
. "${0%/*}/common.sh"

requires strace

# Seconds for each of a dozen races.
seconds=1
[ -z "${VHDFS_LONG:-}" ] || seconds=$((VHDFS_LONG * 5))

# inside_twin: creates an image in the store with the identifiers and the size of
# that in $out, and other contents.
inside_twin() {
	local at

	mkdir -p "$(dirname "$store/$2")"
	cp "$out/$1" "$store/$2"
	at=$(LC_ALL=C grep -abo "$secret" "$store/$2" | cut -d : -f 1)
	printf %s "$public" |
		dd of="$store/$2" bs=1 seek="$at" conv=notrunc status=none
	chmod 644 "$store/$2"
}

# Creates a store with a directory "inside" that contains a parent p and its child
# c; $out has valid images with the same names and identifiers.
swap_store() {
	ending=$1
	outside_and_inside
	mv "$out/o0.$ending" "$out/p.$ending"
	rm "$out"/o*
	chmod 644 "$out/p.$ending"
	forge "$out/c.$ending" "$out/p.$ending" "./p.$ending"
	inside_twin "p.$ending" "d/p.$ending"
	cp "$out/c.$ending" "$store/d/c.$ending"
	sha256sum "$out"/* >"$scratch/before"
	stat -c '%a %n' "$out"/* >"$scratch/modes"
}

nothing_outside_changed() {
	sha256sum --quiet -c "$scratch/before"
	[ "$(stat -c '%a %n' "$out"/*)" = "$(cat "$scratch/modes")" ] ||
		fail "expected outside: $(cat "$scratch/modes"), found:" \
			"$(stat -c '%a %n' "$out"/*)"
}

# Expects that both targets were found at least once.
both_sides_met() {
	grep -q " $public" "$scratch/outcomes" &&
		grep -Eq ' E(IO|STALE|NOENT)' "$scratch/outcomes"
}

was_public() {
	grep -q " $public" "$scratch/outcomes"
}

# reads_until CONDITION VIEW: reads the view until the condition is met; a slow
# machine needs more reads.
reads_until() {
	local end=$((SECONDS + hang_seconds))

	: >"$scratch/outcomes"
	until "$1" || [ "$SECONDS" -gt "$end" ]; do
		racer read "$seconds" "$2" >>"$scratch/outcomes"
	done
}

# read_while_swapping VIEW A B [OPTION...]: opens the view repeatedly while A and B
# are exchanged, and checks the results.
read_while_swapping() {
	local view=$1 a=$2 b=$3

	shift 3
	mount_store "$store" "$mnt" "$@"
	start_racer swapping swap "$a" "$b"
	reads_until both_sides_met "$view"
	end_racer
	! has_secret <"$scratch/outcomes" ||
		fail "expected no bytes from outside, found: $(cat "$scratch/outcomes")"
	# The mount still works.
	[ "$(tail -n 1 "$scratch/racer.out")" -gt 100 ] ||
		fail "expected more than 100 exchanges, found $(tail -n 1 "$scratch/racer.out")"
	both_sides_met ||
		fail "expected results of both sides, found: $(cat "$scratch/outcomes")"
	wait_until 5 file-io "$view" ro
	equal "contents after all" "$public" "$(file-io "$view" ro read 0 8)"
	unmount "$mnt"
	nothing_outside_changed
}

test_parent_swapped_with_a_link_to_its_twin_outside() {
	swap_store vhdx
	ln -s ../../out/p.vhdx "$store/d/link"
	read_while_swapping "$mnt/d/c.vhdx.raw" "$store/d/p.vhdx" \
		"$store/d/link"
}

test_parent_swapped_with_an_absolute_link_to_its_twin_outside() {
	swap_store vhd
	ln -s "$out/p.vhd" "$store/d/link"
	read_while_swapping "$mnt/d/c.vhd.raw" "$store/d/p.vhd" "$store/d/link"
}

# Both links are inside; one leads through a link that leads out.
test_swapped_link_in_the_path_of_the_parent() {
	swap_store vhdx
	mkdir "$store/e"
	forge "$store/e/f.vhdx" "$out/p.vhdx" ../way/p.vhdx
	ln -s d "$store/way"
	ln -s ../out "$store/other-way"
	read_while_swapping "$mnt/e/f.vhdx.raw" "$store/way" "$store/other-way"
}

test_swapped_directory_in_the_path_of_the_parent() {
	swap_store vhdx
	forge "$store/f.vhdx" "$out/p.vhdx" ./d/p.vhdx
	ln -s ../out "$store/link"
	read_while_swapping "$mnt/f.vhdx.raw" "$store/d" "$store/link"
}

# The folder that contains both the image and its parent.
test_swapped_directory_of_the_image() {
	swap_store vhdx
	ln -s ../out "$store/link"
	read_while_swapping "$mnt/d/c.vhdx.raw" "$store/d" "$store/link"
}

test_image_swapped_with_a_link_to_its_twin_outside() {
	swap_store vhd
	mkdir "$store/e"
	mv "$store/d/p.vhd" "$store/e/image.vhd"
	ln -s ../../out/p.vhd "$store/e/link"
	read_while_swapping "$mnt/e/image.vhd.raw" "$store/e/image.vhd" \
		"$store/e/link"
}

# A link that the mount shows, to a file inside and to one outside.
test_swapped_link_to_an_image() {
	swap_store vhdx
	ln -s d/c.vhdx "$store/shown.vhdx"
	ln -s ../out/c.vhdx "$store/hidden"
	read_while_swapping "$mnt/shown.vhdx.raw" "$store/shown.vhdx" \
		"$store/hidden"
}

test_swapped_parent_in_a_directory_of_the_option_parents() {
	swap_store vhdx
	mkdir "$scratch/more" "$store/e"
	mv "$store/d/p.vhdx" "$scratch/more/"
	ln -s ../out/p.vhdx "$scratch/more/link"
	mv "$store/d/c.vhdx" "$store/e/"
	read_while_swapping "$mnt/e/c.vhdx.raw" "$scratch/more/p.vhdx" \
		"$scratch/more/link" -o "parents=$scratch/more"
}

# The parent and another image of the store with other contents: a child never
# reads contents of another parent.
test_parent_swapped_with_another_parent() {
	swap_store vhdx
	vhdfs-img create --size 4M "$store/d/other.vhdx"
	disk-io "$store/d/other.vhdx" load 0 "$scratch/secret"
	vhdfs-img create --parent "$store/d/other.vhdx" "$store/d/second.vhdx"
	mount_store "$store" "$mnt"
	# Both parents stay open, so that they can be shared.
	exec {a}<"$mnt/d/second.vhdx.raw" {b}<"$mnt/d/p.vhdx.raw"
	start_racer swapping swap "$store/d/p.vhdx" "$store/d/other.vhdx"
	reads_until was_public "$mnt/d/c.vhdx.raw"
	end_racer
	! has_secret <"$scratch/outcomes" ||
		fail "expected bytes of one parent only, found: $(cat "$scratch/outcomes")"
	was_public || fail "expected $public, found: $(cat "$scratch/outcomes")"
	exec {a}<&- {b}<&-
	unmount "$mnt"
}

# again_and_again SECONDS COMMAND...: repeats the command; counts its successes and
# failures.
again_and_again() {
	local end=$((SECONDS + $1)) last=$((SECONDS + $1 + hang_seconds))

	shift
	done_=0 refused=0
	# A slow machine needs longer for both outcomes.
	while [ "$SECONDS" -lt "$end" ] ||
		{ [ $((done_ * refused)) = 0 ] && [ "$SECONDS" -lt "$last" ]; }; do
		if "$@" >>"$scratch/again.out" 2>&1; then
			done_=$((done_ + 1))
		else
			refused=$((refused + 1))
		fi
	done
	[ "$done_" -gt 0 ] && [ "$refused" -gt 0 ] ||
		fail "expected both outcomes, found $done_ successes and $refused refusals:" \
			"$(tail -n 3 "$scratch/again.out")"
	! grep -Ei 'signal|core|sanitizer' "$scratch/again.out" ||
		fail "expected exit status 0 or 1"
}

convert_and_look() {
	rm -f "$store/e/copy.raw"
	vhdfs-img convert --store "$store" "$store/d/c.vhdx" \
		"$store/e/copy.raw" || return 1
	! has_secret <"$store/e/copy.raw" || echo "core: the secret was copied"
}

test_vhdfs_img_convert_reads_nothing_outside() {
	swap_store vhdx
	mkdir "$store/e"
	ln -s ../out "$store/link"
	start_racer swapping swap "$store/d" "$store/link"
	again_and_again "$seconds" convert_and_look
	end_racer
	nothing_outside_changed
}

# make_new WORD...: runs vhdfs-img with a new name in the directory as last
# argument.
make_new() {
	n_new=$((${n_new:-0} + 1))
	vhdfs-img "$@" "$store/d/new$n_new.vhdx"
}

# A file that is created in a directory of the store is created there, even when
# the directory's name leads elsewhere by then.
test_vhdfs_img_writes_nothing_outside() {
	swap_store vhdx
	truncate -s 1M "$store/a.raw"
	ln -s ../out "$store/link"
	start_racer swapping swap "$store/d" "$store/link"
	again_and_again "$seconds" make_new create --store "$store" \
		--size 4M
	again_and_again "$seconds" make_new convert --store "$store" \
		"$store/a.raw"
	end_racer
	equal "names outside" "c.vhdx p.vhdx" "$(ls -A "$out" | paste -sd ' ')"
	nothing_outside_changed
}

# Slowed down, so that names change after each open.
make_child_and_remove() {
	strace -o /dev/null -e trace=openat,openat2 \
		-e inject=openat,openat2:delay_exit=300 vhdfs-img create --store "$store" --parent "$store/d/p.vhdx" \
		"$store/e/new.vhdx" || return 1
	rm -f "$store/e/new.vhdx"
	[ "$(stat -c %a "$out/p.vhdx")" = 644 ] ||
		echo "core: the bits of a file outside were taken"
}

test_vhdfs_img_makes_no_child_of_an_image_outside() {
	swap_store vhdx
	mkdir "$store/e"
	ln -s ../out "$store/link"
	start_racer swapping swap "$store/d" "$store/link"
	again_and_again "$((2 * seconds))" make_child_and_remove
	end_racer
	nothing_outside_changed
}

run_tests
