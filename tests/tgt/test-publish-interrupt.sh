#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Interrupted publish and promote: tgt-glue, and vhdfs-img that it runs, is killed
# at each change of a file.  Every disk can be read after that, and the command
# that is run again reaches the state of an undisturbed one.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"

# make_template ENDING: $scratch/template, a store of a plain master: pc1 with a
# snapshot and data, pc2 with an image that was put aside, pc3, and a hidden
# child.  No tgtd runs.
make_template() {
	local e=$1 store=$scratch/store

	requires_root
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	port=$(free_port)
	mkdir -p "$store/masters"
	mount_store "$store" "$scratch/mnt"
	vhdfs-img create --size 8M "$store/masters/win11.$e"
	wait_until 5 test -s "$scratch/mnt/masters/win11.$e.raw"
	write_disk "masters/win11.$e" old
	write_fleet pc1 pc2 pc3 </dev/null
	glue apply >/dev/null 2>&1 || true # only images are made
	vhdfs-img create --parent "$store/masters/win11.$e" \
		"$store/clients/.hidden.$e"
	write_disk "clients/pc1.$e" one
	vhdfs-img snapshot "$store/clients/pc1.$e" first
	printf two | dd of="$scratch/mnt/clients/pc1.$e.raw" bs=512 seek=99 \
		conv=notrunc,fsync,sync status=none
	write_disk "clients/pc2.$e" mine
	stop_mount "$scratch/mnt"
	mv "$store/clients/pc2.$e" \
		"$store/clients/.pc2.$e.20260131T235959.000001Z"
	vhdfs-img create --parent "$store/masters/win11.$e" \
		"$store/clients/pc2.$e"
	mv "$store" "$scratch/template"
}

# from_template: the store is that of the template, and pc3 uses its disk.
from_template() {
	rm -rf "$scratch/store"
	cp -a "$scratch/template" "$scratch/store"
	mount_store "$scratch/store" "$scratch/mnt"
	exec 7<>"$(echo "$scratch"/mnt/clients/pc3.*)"
}

end_template() {
	exec 7>&-
	stop_mount "$scratch/mnt"
}

# all_disks: prints what every disk holds; fails if one cannot be read.
all_disks() {
	local image name

	for image in "$scratch"/store/clients/{.,}*.vhd*; do
		name=clients/${image##*/}
		case $name in
		*/.*.new | */.*.leaf | */*.intent | *@publishing*) ;;
		*/.*) vhdfs-img check "$image" >/dev/null ||
			fail "$name: expected a sound image" ;;
		*)
			[ -z "$(getfattr --only-values -n user.vhdfs.error \
				"$scratch/mnt/$name.raw" 2>/dev/null)" ] ||
				fail "$name: expected a readable disk"
			echo "$name $(disk "$name") $(dd bs=512 skip=99 count=1 \
				if="$scratch/mnt/$name.raw" status=none |
				tr -d '\0')"
			;;
		esac
	done
}

# whole_state: prints all names of the store, where links lead, the parents, and
# what the disks hold.
whole_state() {
	local image

	(cd "$scratch/store" && find . ! -name '.vhdfs-spare*' \
		-printf '%P %y %l %m\n' | sort)
	for image in "$scratch"/store/*/{.,}*.vhd*; do
		[ -L "$image" ] ||
			echo "${image##*/} $(vhdfs-img info --json "$image" |
				jq -r '.parent // "none"' | sed 's|.*/||')"
	done
	all_disks
	name_the_link
	for image in "$scratch"/mnt/masters/*.raw; do
		echo "${image##*/} $(dd if="$image" bs=512 skip=9 count=1 \
			status=none | tr -d '\0')"
	done
	glue versions masters/win11 --json | jq -c '.[] | {number, note, client, channels, clients}'
}

# interrupted SYSCALL COMMAND...: tgt-glue, or vhdfs-img that it runs, is killed
# at the first call, the second, and each further one, until it ends
# undisturbed; the command is run again, and ends in the state of an undisturbed
# one.
interrupted() {
	local n=0 status=1 call=$1

	shift
	while [ "$status" != 0 ]; do
		n=$((n + 1))
		from_template
		[ -z "${before:-}" ] || "$before"
		all_disks >"$scratch/disks"
		status=0
		strace -f -qq -o "$scratch/trace" -e trace="$call" \
			-e inject="$call:signal=SIGKILL:when=$n" \
			tgt-glue --config "$scratch/fleet.conf" "$@" \
			>"$scratch/killed.out" 2>&1 || status=$?
		all_disks | diff "$scratch/disks" - ||
			fail "killed at $call $n: expected the same disks"
		[ "$status" = 0 ] || expect 0 glue "$@"
		whole_state >"$scratch/found"
		diff "$scratch/wanted" "$scratch/found" ||
			fail "killed at $call $n: expected the state of an undisturbed one"
		end_template
	done
	[ "$n" -gt 1 ] || fail "$call: expected a call, found none"
}

# wanted COMMAND...: the state after the undisturbed command.
wanted() {
	from_template
	[ -z "${before:-}" ] || "$before"
	expect 0 glue "$@"
	whole_state >"$scratch/wanted"
	end_template
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

run_tests
