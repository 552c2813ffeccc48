#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhdfs-img convert with failing system calls and allocations.
. "${0%/*}/../lib.sh"
. "${0%/*}/faults.sh"

# Makes a chain of two images with the ending $1, and its disk, model.raw.
make_sources() {
	requires_faults
	truncate -s 6M "$dir/model.raw"
	disk-io "$dir/model.raw" write 100 1500000 1 write 5000000 70000 2
	vhdfs-img convert "$dir/model.raw" "$dir/m.$1"
	vhdfs-img create --parent "$dir/m.$1" "$dir/c.$1"
	for image in c.$1 model.raw; do
		disk-io "$dir/$image" write 1000000 1300000 3 punch 0 65536
	done
	guard "$dir"/*
}

prepare() {
	rm -f "$dir/$target"
}

# Expects no other files than the sources and the target.
no_remains() {
	local file

	for file in "$dir"/* "$dir"/.[!.]*; do
		case ${file##*/} in
		"$target" | '*' | '.[!.]*') continue ;;
		esac
		[[ " ${guarded[*]} " != *" $file "* ]] || continue
		[ "$unlinks" != 0 ] || wrong "expected no file ${file##*/}"
		rm -f "$file"
	done
}

# Does the target hold the disk of the source?
is_whole() {
	case $target in
	*.raw) cmp -s "$dir/$target" "$dir/model.raw" ;;
	*)
		vhdfs-img check "$dir/$target" >/dev/null &&
			disk-io "$dir/$target" read 0 - |
			cmp -s - "$dir/model.raw"
		;;
	esac
}

outcome() {
	[ "$status" != 0 ] || [ -e "$dir/$target" ] ||
		wrong "success: expected a file $target"
	[ ! -e "$dir/$target" ] || is_whole ||
		wrong "expected the disk of the source in $target"
	no_remains
	untouched
	rm -f "$dir/$target"
	"${again[@]}" >"$scratch/again" 2>&1 && is_whole ||
		wrong "second run: expected success and the disk of the" \
			"source, found: $(cat "$scratch/again")"
}

# converts KINDS SOURCE TARGET [OPTION...]: injects faults into a conversion.
converts() {
	target=$3
	again=(vhdfs-img convert "${@:4}" "$dir/$2" "$dir/$3")
	inject "convert ${*:2}" "$1" "${again[@]}"
	rm -f "$dir/$target"
}

test_raw_to_vhdx_reports_each_file_fault() {
	make_sources vhdx
	converts "$file_faults" model.raw t.vhdx
}

test_raw_to_fixed_vhd_reports_each_file_fault() {
	make_sources vhd
	converts "$file_faults" model.raw t.vhd --fixed
}

test_vhdx_chain_to_vhd_reports_each_file_fault() {
	make_sources vhdx
	converts "$file_faults" c.vhdx t.vhd
}

test_vhd_chain_to_vhdx_reports_each_file_fault() {
	make_sources vhd
	converts "$file_faults" c.vhd t.vhdx
}

test_chain_to_raw_reports_each_file_fault() {
	make_sources vhdx
	converts "$file_faults" c.vhdx t.raw
}

# The format is read from the content.  After a failed read, the image is not
# copied as a raw disk.
test_source_without_an_ending_is_not_taken_for_raw() {
	make_sources vhdx
	rm "$dir/c.vhdx"
	mv "$dir/m.vhdx" "$dir/disk"
	guard "$dir/disk" "$dir/model.raw"
	vhdfs-img convert "$dir/disk" "$scratch/whole.raw"
	is_whole() {
		disk-io "$dir/$target" read 0 - | cmp -s - "$scratch/whole.raw"
	}
	converts "EIO:once EIO:ever" disk t.vhd
}

test_convert_reports_each_failed_allocation() {
	make_sources vhdx
	converts "$memory_faults" c.vhdx t.vhd
	converts "$memory_faults" model.raw t.vhdx
	converts "$memory_faults" model.raw t.raw
}

# The file stays the raw disk, or becomes a fixed VHD.
test_in_place_keeps_the_disk_after_each_fault() {
	requires_faults
	truncate -s 2M "$scratch/disk"
	disk-io "$scratch/disk" write 100 1500000 1
	prepare() {
		cp "$scratch/disk" "$dir/disk"
	}
	outcome() {
		cmp -s -n $((2 << 20)) "$scratch/disk" "$dir/disk" ||
			wrong "expected an unchanged disk"
		if [ "$status" = 0 ]; then
			vhdfs-img check "$dir/disk" >/dev/null ||
				wrong "success: expected a sound image"
		elif [ "$status" != 0 ]; then
			undoing_fails || cmp -s "$scratch/disk" "$dir/disk" ||
				wrong "failure: expected the raw disk alone"
		fi
	}
	inject "convert --in-place" "$file_faults $memory_faults" \
		vhdfs-img convert --in-place "$dir/disk"
}

run_tests
