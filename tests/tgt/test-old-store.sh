#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A store that the release before made (make-old-store): all disks have what that
# release read, before and after the first publish, interrupted at any step.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"
. "${0%/*}/interrupted.sh"

# old_template ENDING: $scratch/template, the store of that release, and its
# contents in $scratch/contents.
old_template() {
	local archive

	requires_root
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	port=$(free_port)
	archive=$(echo "$top_srcdir"/tests/tgt/store-*.tar.xz)
	tar -xJf "$archive" -C "$scratch" "$1"
	mv "$scratch/$1/store" "$scratch/template"
	mv "$scratch/$1/contents" "$scratch/contents"
	write_fleet pc1 pc2 pc3 </dev/null
}

# same_contents: each disk of the archive has what the release before read.
same_contents() {
	local sum name found

	while read -r sum name; do
		case $name in
		clients/hidden.*)
			name=${name#clients/hidden}
			rm -f "$scratch/hidden.raw"
			vhdfs-img convert --format raw \
				"$scratch/store/clients/${name%.*.raw}" \
				"$scratch/hidden.raw"
			found=$(sha256sum <"$scratch/hidden.raw")
			;;
		*) found=$(sha256sum <"$scratch/mnt/$name") ;;
		esac
		equal "$name" "$sum" "${found%% *}"
	done <"$scratch/contents"
}

test_all_disks_have_the_contents_of_the_release_before() {
	for e in vhd vhdx; do
		old_template "$e"
		[ "$(wc -l <"$scratch/contents")" -ge 6 ] ||
			fail "expected a master and five children, found: $(cat "$scratch/contents")"
		from_template
		same_contents
		end_template
		rm -r "$scratch/template"
	done
}

# interrupted_publish ENDING SYSCALL...
interrupted_publish() {
	old_template "$1"
	after=same_contents
	wanted publish pc1 masters/win11 --note x
	equal "images that name the link" "" \
		"$(grep "^$scratch/store/clients" "$scratch/wanted" || true)"
	grep -q "^.hidden.$1 win11@1.$1\$" "$scratch/wanted" ||
		fail "expected version 1 as parent: $(cat "$scratch/wanted")"
	for call in "${@:2}"; do
		interrupted "$call" publish pc1 masters/win11 --note x
	done
}

test_first_publish_on_it_interrupted_at_a_change_of_a_name_is_completed() {
	interrupted_publish vhdx linkat symlinkat renameat
}

test_first_publish_on_its_vhd_interrupted_at_a_change_of_a_name_is_completed() {
	interrupted_publish vhd linkat symlinkat renameat
}

test_first_publish_on_it_interrupted_at_a_removal_is_completed() {
	interrupted_publish vhdx unlinkat fsetxattr
}

test_first_publish_on_it_interrupted_at_a_sync_is_completed() {
	interrupted_publish vhdx fsync
}

test_first_publish_on_its_vhd_interrupted_at_a_sync_is_completed() {
	interrupted_publish vhd fsync
}

run_sample "${VHDFS_SAMPLE:+2}" "$@"
run_tests
