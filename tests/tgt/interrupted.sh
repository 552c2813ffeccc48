# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests that interrupt publish and promote, after versions.sh: each
# run begins with a copy of $scratch/template, a store.

images_of_template=clients # the directory of the disks
master_of_template=win11 # of their master

# from_template: the store is that of the template, and pc3 uses its disk.
from_template() {
	rm -rf "$scratch/store"
	cp -a "$scratch/template" "$scratch/store"
	mount_store "$scratch/store" "$scratch/mnt"
	exec 7<>"$(echo "$scratch/mnt/$images_of_template"/pc3.*)"
}

end_template() {
	exec 7>&-
	stop_mount "$scratch/mnt"
}

# all_disks: prints what every disk holds; fails if one cannot be read.
all_disks() {
	local image path

	find "$scratch/store" ! -path '*/masters/*' -name '*.vhd*' -type f \
		! -name '.vhdfs-spare*' | sort >"$scratch/images"
	while read -r image; do
		path=${image#"$scratch/store/"}
		case $path in
		*/.*.new | */.*.leaf | */*.intent | *@publishing*) ;;
		*/.*) vhdfs-img check "$image" >/dev/null ||
			fail "$path: expected a sound image" ;;
		*)
			[ -z "$(getfattr --only-values -n user.vhdfs.error \
				"$scratch/mnt/$path.raw" 2>/dev/null)" ] ||
				fail "$path: expected a readable disk"
			echo "$path $(disk "$path") $(dd bs=512 skip=99 count=1 \
				if="$scratch/mnt/$path.raw" status=none |
				tr -d '\0')"
			;;
		esac
	done <"$scratch/images"
}

# whole_state: prints all names of the store, where links lead, the parents, and
# what the disks hold.
whole_state() {
	local image

	(cd "$scratch/store" && find . ! -name '.vhdfs-spare*' \
		-printf '%P %y %l %m\n' | sort)
	while read -r image; do
		echo "${image##*/} $(vhdfs-img info --json "$image" |
			jq -r '.parent // "none"' | sed 's|.*/||')"
	done < <(find "$scratch/store" -name '*.vhd*' -type f \
		! -name '.vhdfs-spare*' | sort)
	all_disks
	name_the_link "$master_of_template"
	for image in "$scratch"/mnt/masters/*.raw; do
		echo "${image##*/} $(dd if="$image" bs=512 skip=9 count=1 \
			status=none | tr -d '\0')"
	done
	glue versions "masters/$master_of_template" --json | jq -c '.[] | {number, note, client, channels, clients}'
}

# interrupted SYSCALL COMMAND...: tgt-glue, or vhdfs-img that it runs, is killed
# at the first call, the second, and each further one, until it ends
# undisturbed; the command is run again, and ends in the state of an undisturbed
# one.  The function $before runs before each time, $after behind it.
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
		[ -z "${after:-}" ] || "$after"
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
