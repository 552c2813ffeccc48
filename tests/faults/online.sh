# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A client that has an image of a mount open while the mount works on the image; to be
# sourced after lib.sh, faults.sh and contents.sh.

# open_client ENDING: a store with a master and its child pc, mounted with faults.so,
# and a client that has its view open, and its disk in $scratch/model.
open_client() {
	e=$1 store=$scratch/store mnt=$scratch/mnt n_writes=0
	requires_faults
	requires_fuse
	mkdir "$store"
	make_model "$scratch/model" 16M
	vhdfs-img create --size 16M "$store/m.$e"
	put_random "$store/m.$e" "$scratch/model" 4
	vhdfs-img create --parent "$store/m.$e" "$store/pc.$e"
	view=$mnt/pc.$e.raw
	mount_with_faults
	start_client
}

# ask_client COMMAND...: sets $reply to the answer of the client.
ask_client() {
	echo "$*" >&"${CLIENT[1]}"
	read -r reply <&"${CLIENT[0]}" || fail "$what: $fault: no client"
}

# The client opens the view, and keeps it open.
start_client() {
	coproc CLIENT { exec file-io "$view" rw serve "$scratch/model"; }
	client=$CLIENT_PID
	read -r reply <&"${CLIENT[0]}"
	equal client serving "$reply"
	state=$(state_identifier)
}

state_identifier() {
	getfattr --absolute-names --only-values -n user.vhdfs.state "$mnt"
}

# reports_no_loss: the mount says that no answered write was lost.
reports_no_loss() {
	[ "$(state_identifier)" = "$state" ] ||
		wrong "expected the state identifier $state, found another one"
	! grep -q 'are lost' "$mnt.log" ||
		wrong "expected no loss, found: $(grep 'are lost' "$mnt.log")"
}

end_client() {
	eval "exec ${CLIENT[1]}>&-"
	wait "$client" || fail "expected the client to end without an error"
}

# client_writes: some sectors, which are not flushed.
client_writes() {
	local i

	for i in 1 2 3; do
		random_below 4096
		ask_client write $((random * 4096)) 4096 $RANDOM
		[ "$reply" = ok ] || wrong "write: expected ok, found $reply"
	done
}

client_sees_its_disk() {
	ask_client compare
	[ "$reply" = ok ] ||
		wrong "expected the disk of the model, found: $reply"
}

# others [CONDITION...]: the names beside the image, but for the snapshots; the
# conditions of find leave out more.
others() {
	find "$store" -mindepth 1 ! -name "m.$e" ! -name "pc.$e" \
		! -name 'pc@*' "$@"
}

# parent_of IMAGE: the name of the parent's file.
parent_of() {
	vhdfs-img info --json "$1" | jq -r '.parent | sub(".*/"; "")'
}

# has_failed: by the client's last $reply, and the $call that failed before: does the
# image take no more writes, because its tables could not be written or synced?
has_failed() {
	[[ $call =~ ^(write|sync|resize)$ ]] && [ "$reply" = EIO ]
}

# restart: ends the mount, checks the images, and begins with a fresh child.
restart() {
	end_client
	disarm
	unmount "$mnt"
	disk-io "$store/pc.$e" read 0 - | cmp - "$scratch/model" ||
		wrong "expected the disk of the model after the unmount"
	begin_again
}

# restart_after_loss [FLUSHED]: the same after a flush that failed, which the client
# learns of: writes may be lost, but not those to the disk in the file FLUSHED.
restart_after_loss() {
	local lost

	eval "exec ${CLIENT[1]}>&-"
	wait "$client" || true
	umount "$mnt"
	wait "${mount_pid[$mnt]}" || true
	if [ $# != 0 ]; then
		disk-io "$store/pc.$e" read 0 - >"$scratch/now"
		lost=$(unlike_both "$scratch/now" "$1" "$scratch/model")
		[ -z "$lost" ] || wrong "expected old or new sectors:" $lost
	fi
	begin_again
}

# The image and its snapshots are sound; no mount has them open.
check_images() {
	local image

	for image in "$store"/pc*; do
		vhdfs-img check "$image" >"$scratch/stdout" ||
			wrong "expected a sound image: $(cat "$scratch/stdout")"
	done
}

begin_again() {
	check_images
	rm -f "$store"/pc@* "$store/pc.$e"
	vhdfs-img create --parent "$store/m.$e" "$store/pc.$e"
	disk-io "$store/m.$e" read 0 - >"$scratch/model"
	mount_with_faults
	start_client
}

# no_writable_old_leaf: supervisor and worker have no snapshot open for writing, soon
# after a death.
no_writable_old_leaf() {
	wait_until 10 has_no_writable_snapshot
}

# The path of an old leaf's descriptor is not that of the snapshot: the files are
# compared.  A descriptor may be closed meanwhile.
has_no_writable_snapshot() {
	local fd snapshot

	for fd in /proc/"${mount_pid[$mnt]}"/fd/*; do
		for snapshot in "$store"/pc@*; do
			[ "$fd" -ef "$snapshot" ] || continue
			! grep -qs '^flags:.*[12]$' "${fd/fd/fdinfo}" || return 1
		done
	done
}
