#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Interrupted publish and promote: tgt-glue, and vhdfs-img that it runs, is killed
# at each change of a file.  Every disk can be read after that, and the command
# that is run again reaches the state of an undisturbed one.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"
. "${0%/*}/interrupted.sh"

# make_template ENDING [DISK]: $scratch/template, a store of a plain master: pc1
# with a snapshot and data, pc2 with an image that was put aside, pc3, and a
# hidden child; of the system disks, or of the data disks of that name.  No tgtd
# runs.
make_template() {
	local e=$1 store=$scratch/store

	master_of_template=${2:-win11}
	images_of_template=${2:+disks/$2}
	images_of_template=${images_of_template:-clients}
	requires_root
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	port=$(free_port)
	mkdir -p "$store/masters"
	mount_store "$store" "$scratch/mnt"
	vhdfs-img create --size 8M "$store/masters/win11.$e"
	[ "$master_of_template" = win11 ] ||
		vhdfs-img create --size 8M "$store/masters/$master_of_template.$e"
	wait_until 5 test -s "$scratch/mnt/masters/$master_of_template.$e.raw"
	write_disk "masters/$master_of_template.$e" old
	write_fleet pc1 pc2 pc3 < <([ "$master_of_template" = win11 ] ||
		printf '[disk %s]\nlun = 2\nmaster = masters/%s\n' "$master_of_template" "$master_of_template")
	[ "$master_of_template" = win11 ] ||
		sed -i "/^\[defaults\]/a disks = $master_of_template" "$scratch/fleet.conf"
	glue apply >/dev/null 2>&1 || true # only images are made
	vhdfs-img create --parent "$store/masters/$master_of_template.$e" \
		"$store/$images_of_template/.hidden.$e"
	write_disk "$images_of_template/pc1.$e" one
	vhdfs-img snapshot "$store/$images_of_template/pc1.$e" first
	printf two | dd of="$scratch/mnt/$images_of_template/pc1.$e.raw" bs=512 seek=99 \
		conv=notrunc,fsync,sync status=none
	write_disk "$images_of_template/pc2.$e" mine
	stop_mount "$scratch/mnt"
	mv "$store/$images_of_template/pc2.$e" \
		"$store/$images_of_template/.pc2.$e.20260131T235959.000001Z"
	vhdfs-img create --parent "$store/masters/$master_of_template.$e" \
		"$store/$images_of_template/pc2.$e"
	mv "$store" "$scratch/template"
}

test_first_publish_interrupted_at_any_change_of_a_name_is_completed() {
	make_template vhdx
	wanted publish pc1 masters/win11 --note x
	for call in linkat symlinkat renameat; do
		interrupted "$call" publish pc1 masters/win11 --note x
	done
}

test_first_publish_interrupted_at_any_removal_is_completed() {
	make_template vhd
	wanted publish pc1 masters/win11 --note x
	for call in unlinkat fsetxattr; do
		interrupted "$call" publish pc1 masters/win11 --note x
	done
}

test_first_publish_interrupted_at_any_sync_is_completed() {
	make_template vhdx
	wanted publish pc1 masters/win11 --note x
	interrupted fsync publish pc1 masters/win11 --note x
}

test_publish_whose_vhdfs_img_fails_is_completed() {
	local n

	make_template vhdx
	wanted publish pc1 masters/win11 --note x
	mkdir "$scratch/bin"
	cat >"$scratch/bin/vhdfs-img" <<-END
		#!/bin/bash
		n=\$((\$(cat "$scratch/count") - 1))
		echo "\$n" >"$scratch/count"
		[ "\$n" != 0 ] || exit 1
		exec "$(command -v vhdfs-img)" "\$@"
	END
	chmod 755 "$scratch/bin/vhdfs-img"
	for ((n = 1; ; n++)); do
		from_template
		echo "$n" >"$scratch/count"
		! PATH=$scratch/bin:$PATH glue publish pc1 masters/win11 \
			--note x >"$scratch/killed.out" 2>&1 || break
		grep -q 'vhdfs-img: failed without a message' \
			"$scratch/killed.out" ||
			fail "expected a message, found: $(cat "$scratch/killed.out")"
		expect 0 glue publish pc1 masters/win11 --note x
		whole_state | diff "$scratch/wanted" - ||
			fail "failed at call $n: expected the state of an undisturbed one"
		end_template
	done
	end_template
	[ "$n" -gt 4 ] || fail "expected more than 4 calls, found $((n - 1))"
}

test_publish_of_a_data_disk_interrupted_at_any_change_is_completed() {
	make_template vhdx games
	wanted publish pc1 masters/games --note x
	grep -q '"client":"pc1"' "$scratch/wanted" ||
		fail "expected a version: $(cat "$scratch/wanted")"
	for call in linkat symlinkat renameat unlinkat fsetxattr; do
		interrupted "$call" publish pc1 masters/games --note x
	done
}

three_versions() {
	glue publish pc1 masters/win11 --note x >/dev/null
	glue promote masters/win11 >/dev/null
}

test_promote_interrupted_at_any_change_is_completed() {
	before=three_versions
	make_template vhdx
	for call in renameat unlinkat; do
		wanted promote masters/win11 1
		interrupted "$call" promote masters/win11 1
		wanted promote masters/win11 --back
		interrupted "$call" promote masters/win11 --back
	done
}

run_sample "${VHDFS_SAMPLE:+3}" "$@"
run_tests
