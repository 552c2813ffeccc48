#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img create with failing system calls and allocations.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"

prepare() {
	rm -rf "${scratch:?}/work"
	mkdir "$dir"
	[ -z "$parent" ] || cp "$scratch/$parent" "$dir/"
}

# Expects no other files than the parent and the image.
no_remains() {
	local file

	for file in "$dir"/* "$dir"/.[!.]*; do
		case ${file##*/} in
		"$parent" | "$image" | '*' | '.[!.]*') ;;
		*) [ "$unlinks" != 0 ] || wrong "expected no file ${file##*/}" ;;
		esac
	done
}

# Expects unchanged contents of the parent, and write bits unless it has a child.
parent_is_unchanged() {
	[ -n "$parent" ] || return 0
	cmp -s "$scratch/$parent" "$dir/$parent" ||
		wrong "expected an unchanged parent"
	if [ -e "$dir/$image" ]; then
		[ "$(stat -c %a "$dir/$parent")" = 444 ] ||
			wrong "with a child: expected mode 444 of the parent"
	elif ! undoing_fails; then
		[ "$(stat -c %a "$dir/$parent")" = 644 ] ||
			wrong "without a child: expected mode 644 of the parent"
	fi
}

outcome() {
	[ "$status" != 0 ] || [ -e "$dir/$image" ] ||
		wrong "success: expected an image"
	if [ -e "$dir/$image" ]; then
		vhdfs-img check "$dir/$image" >/dev/null ||
			wrong "expected a sound image"
	fi
	no_remains
	parent_is_unchanged
	rm -f "$dir/$image"
	"${again[@]}" >"$scratch/again" 2>&1 ||
		wrong "second run: expected success, found:" \
			"$(cat "$scratch/again")"
}

# creates SUBJECT KINDS IMAGE OPTION...: injects faults into create.
creates() {
	image=$3
	again=(vhdfs-img create "${@:4}" "$dir/$image")
	inject "$1" "$2" "${again[@]}"
}

# creates_child KINDS ENDING: injects faults into create --parent.
creates_child() {
	parent=m.$2
	vhdfs-img create --size 8M "$scratch/$parent"
	disk-io "$scratch/$parent" write 0 3000000 1
	creates "create --parent, $2" "$1" "c.$2" --parent "$dir/$parent"
}

test_create_of_a_dynamic_vhd_reports_each_file_fault() {
	requires_faults
	creates "create, vhd" "$file_faults" d.vhd --size 8M
}

test_create_of_a_dynamic_vhdx_reports_each_file_fault() {
	requires_faults
	creates "create, vhdx" "$file_faults" d.vhdx --size 8M
}

test_create_of_a_fixed_vhd_reports_each_file_fault() {
	requires_faults
	creates "create --fixed, vhd" "$file_faults" f.vhd --size 4M --fixed
}

test_create_of_a_fixed_vhdx_reports_each_file_fault() {
	requires_faults
	creates "create --fixed, vhdx" "$file_faults" f.vhdx --size 4M --fixed
}

test_create_of_a_vhd_child_reports_each_file_fault() {
	requires_faults
	creates_child "$file_faults" vhd
}

test_create_of_a_vhdx_child_reports_each_file_fault() {
	requires_faults
	creates_child "$file_faults" vhdx
}

test_create_reports_each_failed_allocation() {
	requires_faults
	creates "create, vhd, memory" "$memory_faults" d.vhd --size 8M
	creates "create --fixed, vhdx, memory" "$memory_faults" f.vhdx \
		--size 4M --fixed
}

test_create_of_a_child_reports_each_failed_allocation() {
	local ending

	requires_faults
	for ending in vhd vhdx; do
		creates_child "$memory_faults" "$ending"
	done
}

# valgrind finds use after free, and leaks that the counter of allocations
# misses.  Each run takes seconds.
test_failed_allocation_causes_no_error_of_valgrind() {
	requires valgrind
	requires_faults
	each_point="" points=2
	[ -z "${VHDFS_LONG:-}" ] || points=20
	wrapper=(valgrind -q --trace-children=yes --leak-check=full
		--soname-synonyms=somalloc=nouserintercepts --error-exitcode=99)
	creates_child ENOMEM:once vhdx
}

run_tests
