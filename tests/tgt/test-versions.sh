#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Versions of a master: clients go over to another one, or stay, and a link
# that moves changes no disk.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# write_disk IMAGE TEXT: writes to the disk of an image, through its view.
write_disk() {
	printf %s "$2" | dd of="$scratch/mnt/$1.raw" bs=512 seek=9 \
		conv=notrunc,fsync,sync status=none
}

# disk IMAGE: prints what write_disk wrote.
disk() {
	dd if="$scratch/mnt/$1.raw" bs=512 skip=9 count=1 status=none |
		tr -d '\0'
}

# parent IMAGE: prints its parent's path in the store, as the file says.
parent() {
	realpath --relative-to="$scratch/store" \
		"$(vhdfs-img info --json "$scratch/store/$1" | jq -r .parent)"
}

# make_versions [COUNT]: masters/win11@1.vhdx and so on, the first in
# production; the disk of number N holds "version N".
make_versions() {
	local i

	mkdir -p "$scratch/store/masters"
	mount_store "$scratch/store" "$scratch/mnt"
	for ((i = 1; i <= ${1:-2}; i++)); do
		vhdfs-img create --size 64M "$scratch/store/masters/win11@$i.vhdx"
		wait_until 5 test -s "$scratch/mnt/masters/win11@$i.vhdx.raw"
		write_disk "masters/win11@$i.vhdx" "version $i"
		chmod a-w "$scratch/store/masters/win11@$i.vhdx"
	done
	produce 1
}

# produce NUMBER: that version is in production.
produce() {
	ln -s "win11@$1.vhdx" "$scratch/store/masters/.next"
	mv -T "$scratch/store/masters/.next" "$scratch/store/masters/win11.vhdx"
}

# start_versions CLIENT... <<REST: a server with two versions; fleet.conf with
# these clients and the lines of standard input.
start_versions() {
	requires_initiator
	make_versions 2
	start_tgtd
	write_fleet "$@"
	expect 0 glue apply
}

is_on() {
	equal "the parent of $1" "masters/win11@$2.vhdx" "$(parent "clients/$1.vhdx")"
}

went_over() {
	[ "$(parent "clients/$1.vhdx")" = "masters/win11@$2.vhdx" ]
}

test_child_names_the_file_of_its_version() {
	start_versions pc1 </dev/null
	is_on pc1 1
	vhdfs-img info --json "$scratch/store/clients/pc1.vhdx" |
		jq -e '.parent | endswith("win11@1.vhdx")' >/dev/null ||
		fail "expected the version as the parent, found:" \
			"$(vhdfs-img info "$scratch/store/clients/pc1.vhdx")"
}

test_master_may_be_a_channel_or_a_version() {
	make_versions 3
	ln -s win11@3.vhdx "$scratch/store/masters/win11@test.vhdx"
	start_tgtd
	write_fleet pc1 <<-END
		[client pc2]
		master = masters/win11@test
		[client pc3]
		master = masters/win11@2
		[client pc4]
		master = masters/win11@test.vhdx
	END
	expect 0 glue apply
	is_on pc1 1
	is_on pc2 3
	is_on pc3 2
	is_on pc4 3
	equal "masters" "masters/win11.vhdx masters/win11@test.vhdx masters/win11@2.vhdx masters/win11@test.vhdx" \
		"$(glue status --json | jq -r '[.clients[].master] | join(" ")')"
}

test_link_that_moves_changes_no_disk() {
	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx mine
	hold_session pc1
	works write 5
	produce 2
	works read 9
	works write 6
	is_on pc1 1
	equal "the disk" mine "$(disk clients/pc1.vhdx)"
	expect 0 glue apply
	works read 9
	is_on pc1 1
}

test_client_that_never_wrote_goes_over() {
	start_versions pc1 pc2 </dev/null
	produce 2
	expect 0 glue plan
	did '^pc1: target: make it again \(its master is masters/win11@2.vhdx now\)'
	is_on pc1 1
	expect 0 glue apply
	did '^pc1: image: clients/pc1.vhdx is fresh, a child of masters/win11@2.vhdx$'
	is_on pc1 2
	is_on pc2 2
	equal "the disk" "version 2" "$(disk clients/pc1.vhdx)"
	equal "hidden files" "" "$(find "$scratch/store/clients" -name '.pc*')"
	expect 0 glue apply
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	produce 1
	expect 0 glue apply
	is_on pc1 1
}

test_client_with_data_stays_by_default() {
	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx mine
	write_disk clients/pc2.vhdx mine
	produce 2
	expect 0 glue apply
	said '2 clients stay on another version of masters/win11.vhdx .update = keep.; `tgt-glue reset CLIENT'
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	is_on pc1 1
	equal "the disk" mine "$(disk clients/pc1.vhdx)"
	expect 0 glue plan
	said '2 clients stay'
	expect 0 glue reset pc1
	is_on pc1 2
	is_on pc2 1
	expect 0 glue apply
	said '1 client stays on'
}

test_client_whose_data_is_in_a_snapshot_stays() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx mine
	vhdfs-img snapshot "$scratch/store/clients/pc1.vhdx" before
	produce 2
	expect 0 glue apply
	said '1 client stays'
	equal "the disk" mine "$(disk clients/pc1.vhdx)"
	# A reset sees the data, too.
	expect 0 glue reset pc1
	is_on pc1 2
	equal "the disk" "version 2" "$(disk clients/pc1.vhdx)"
}

test_client_with_update_reset_goes_over_and_keeps_its_old_image() {
	start_versions pc2 <<-END
		[client pc1]
		update = reset
	END
	write_disk clients/pc1.vhdx mine
	write_disk clients/pc2.vhdx mine
	produce 2
	expect 0 glue apply
	did '^pc1: image: clients/pc1.vhdx is fresh; the old one is clients/\.pc1\.vhdx\.'
	said '1 client stays'
	is_on pc1 2
	is_on pc2 1
	cp "$scratch"/store/clients/.pc1.vhdx.* "$scratch/store/clients/old.vhdx"
	wait_until 5 test -s "$scratch/mnt/clients/old.vhdx.raw"
	equal "the old disk" mine "$(disk clients/old.vhdx)"
}

test_client_that_is_logged_in_goes_over_at_its_logout() {
	start_versions pc3 <<-END
		[client pc1]
		reset = boot
		[client pc2]
		update = reset
	END
	tgt-glue --config "$scratch/fleet.conf" watch >>"$scratch/watch.log" 2>&1 &
	watch_pid=$!
	at_exit 'kill "$watch_pid"; wait "$watch_pid" || true'
	local holders=() pids=() outs=()
	for client in pc1 pc2 pc3; do
		hold_session "$client"
		holders+=("$holder") pids+=("$holder_pid") outs+=("$held_out")
	done
	for i in 0 1; do
		holder=${holders[i]} held_out=${outs[i]}
		works write 5
	done
	wait_until 20 all_are_seen
	produce 2
	for i in 0 1 2; do
		holder=${holders[i]} held_out=${outs[i]}
		works read 9
	done
	expect 0 glue apply
	is_on pc1 1
	is_on pc2 1
	is_on pc3 1
	# An initiator has the pipes of those before it open.
	for i in 2 1 0; do
		holder=${holders[i]} holder_pid=${pids[i]}
		end_session
	done
	wait_until 30 went_over pc1 2
	wait_until 30 went_over pc2 2
	wait_until 30 went_over pc3 2
}

all_are_seen() {
	[ "$(grep -vc '^#' "$scratch/targets.conf.sessions")" = 3 ]
}

# start_plain ENDING CLIENT... <<REST: a server whose master, which holds "old",
# is a plain file; the clients have images, pc1 is new.
start_plain() {
	local ending=$1

	requires_initiator
	mkdir -p "$scratch/store/masters"
	mount_store "$scratch/store" "$scratch/mnt"
	vhdfs-img create --size 64M "$scratch/store/masters/win11.$ending"
	wait_until 5 test -s "$scratch/mnt/masters/win11.$ending.raw"
	write_disk "masters/win11.$ending" old
	start_tgtd
	write_fleet "${@:2}"
	expect 0 glue apply
}

# link MASTER...: prints where the links of the master lead.
links() {
	local name

	for name in win11 win11@test .win11@back; do
		readlink "$scratch/store/masters/$name.vhd"* || echo none
	done
}

no_leftovers() {
	equal "leftovers" "" "$(cd "$scratch/store" && find . \
		\( -name '.*' ! -name . ! -name '.vhdfs-spare*' \
		! -name '.win11@back.*' ! -name '.pc*.[0-9]*T*Z' -o -name '*publishing*' \))"
}

# publishes ENDING: the first publish, of a client with snapshots, beside other
# children of the master.
publishes() {
	local e=$1 before

	start_plain "$e" pc1 pc2 pc3 </dev/null
	write_disk "clients/pc1.$e" first
	vhdfs-img snapshot "$scratch/store/clients/pc1.$e" one
	printf second | dd of="$scratch/mnt/clients/pc1.$e.raw" bs=512 seek=99 \
		conv=notrunc,fsync,sync status=none
	write_disk "clients/pc2.$e" mine
	vhdfs-img snapshot "$scratch/store/clients/pc2.$e" mine
	expect 0 glue reset pc2
	hold_session pc3
	works write 5
	cp "$scratch/mnt/clients/pc1.$e.raw" "$scratch/expected"
	expect 0 glue publish pc1 masters/win11 --note "with updates"
	did "^masters/win11.$e: version 2, of pc1, is under test"
	works read 5
	works write 6
	equal "links" "win11@1.$e win11@2.$e none" "$(links | xargs)"
	cmp "$scratch/expected" "$scratch/mnt/masters/win11@2.$e.raw"
	cmp "$scratch/expected" "$scratch/mnt/clients/pc1.$e.raw"
	cmp "$scratch/expected" "$scratch/mnt/masters/win11@test.$e.raw"
	equal "the master" old "$(disk "masters/win11.$e")"
	equal "parent of version 2" "masters/win11@1.$e" \
		"$(parent "masters/win11@2.$e")"
	equal "parent of pc1" "masters/win11@2.$e" "$(parent "clients/pc1.$e")"
	equal "parent of pc3" "masters/win11@1.$e" "$(parent "clients/pc3.$e")"
	# None names the plain name any more.
	! grep -l 'win11\.vhd' "$scratch"/store/clients/{.pc,pc}* ||
		fail "expected no image that names the link"
	no_leftovers
	expect 0 glue check
	# The client goes on, and stays on what it has published.
	write_disk "clients/pc1.$e" third
	end_session
	expect 0 glue apply
	equal "parent of pc1" "masters/win11@2.$e" "$(parent "clients/pc1.$e")"
	equal "parent of pc2" "masters/win11@1.$e" "$(parent "clients/pc2.$e")"
	expect 0 vhdfs-img check "$scratch/store/masters/win11@2.$e"
	expect 0 vhdfs-img check "$scratch/store/masters/win11@1.$e"
}

test_publish_makes_a_version_of_a_vhdx() {
	publishes vhdx
}

test_publish_makes_a_version_of_a_vhd() {
	publishes vhd
}

test_child_that_names_the_link_finds_its_version() {
	start_plain vhdx pc1 pc2 </dev/null
	# A copy from before the versions, as from a backup.
	cp "$scratch/store/clients/pc2.vhdx" "$scratch/old.vhdx"
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11
	expect 0 glue promote masters/win11
	cp "$scratch/old.vhdx" "$scratch/store/clients/old.vhdx"
	wait_until 5 test -s "$scratch/mnt/clients/old.vhdx.raw"
	equal "the disk" old "$(disk clients/old.vhdx)"
	equal "its parent" masters/win11@1.vhdx "$(parent clients/old.vhdx)"
	echo '[client old]' >>"$scratch/fleet.conf"
	expect 0 glue plan
	did '^old: target: make it '
	equal "clients of version 1" "old pc2" \
		"$(glue versions masters/win11 --json |
			jq -r '.[0].clients | sort | join(" ")')"
}

test_publisher_without_new_data_stays_on_its_version() {
	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11
	expect 0 glue apply
	is_on pc1 3
	is_on pc2 1
	# It goes over to a later one.
	write_disk clients/pc2.vhdx newer
	expect 0 glue publish pc2 masters/win11
	expect 0 glue promote masters/win11 4
	expect 0 glue apply
	is_on pc1 4
	equal "the disk" newer "$(disk clients/pc1.vhdx)"
}

test_publish_refuses_a_client_that_is_in_use() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	hold_session pc1
	expect_error 1 'tgt-glue: pc1: logged in: .* from 127.0.0.1; shut it down' \
		glue publish pc1 masters/win11
	end_session
	exec 8<"$scratch/mnt/clients/pc1.vhdx.raw"
	expect_error 1 'pc1: its disk is open: ' glue publish pc1 masters/win11
	exec 8<&-
	expect_error 1 'expected one of fleet.conf' glue publish pc9 masters/win11
	expect_error 1 'MASTER: expected the path of a master' \
		glue versions masters/none
	equal "versions" 2 "$(glue versions win11 --json | jq length)"
	expect 0 glue publish pc1 win11
	expect_error 1 'expected a disk with changes, found that it equals masters/win11@1' \
		glue_for_fresh_client
}

glue_for_fresh_client() {
	echo '[client pc2]' >>"$scratch/fleet.conf"
	glue apply >/dev/null 2>&1
	glue publish pc2 masters/win11
}

test_publish_twice_makes_one_version() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11
	expect 0 glue publish pc1 masters/win11
	did 'version 3, of pc1'
	equal "versions" 3 "$(glue versions masters/win11 --json | jq length)"
}

test_publish_makes_the_first_version_of_a_new_master() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/other
	equal "the disk" new "$(disk masters/other@1.vhdx)"
	equal "its parent" masters/win11@1.vhdx "$(parent masters/other@1.vhdx)"
	expect 0 glue promote masters/other
	equal "the disk" new "$(disk masters/other.vhdx)"
}

test_promote_and_back_move_the_clients() {
	start_versions pc1 pc2 <<-END
		[client pc3]
		update = reset
	END
	write_disk clients/pc1.vhdx mine
	write_disk clients/pc3.vhdx mine
	expect_error 1 'expected a version under test, found none' \
		glue promote masters/win11
	expect_error 1 'expected a version that was in production before' \
		glue promote masters/win11 --back
	expect_error 1 'expected a version 9, found none' \
		glue promote masters/win11 9
	expect_error 2 'expected VERSION or --back, found both' \
		glue promote masters/win11 2 --back
	expect 0 glue promote masters/win11 2
	did '^masters/win11.vhdx: version 2 is in production$'
	did '^2 clients go over before the next boot'
	did '^1 client stays on another version .update = keep.; `tgt-glue reset pc1. '
	equal "links" "win11@2.vhdx none win11@1.vhdx" "$(links | xargs)"
	expect 0 glue promote masters/win11 2
	equal "links" "win11@2.vhdx none win11@1.vhdx" "$(links | xargs)"
	expect 0 glue apply
	is_on pc1 1
	is_on pc2 2
	is_on pc3 2
	expect 0 glue promote masters/win11 --back
	equal "links" "win11@1.vhdx none win11@2.vhdx" "$(links | xargs)"
	expect 0 glue apply
	is_on pc2 1
	is_on pc3 1
	expect 0 glue promote masters/win11 --back
	equal "links" "win11@2.vhdx none win11@1.vhdx" "$(links | xargs)"
	no_leftovers
}

test_promote_without_a_number_takes_the_version_under_test() {
	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11
	cat >>"$scratch/fleet.conf" <<-END
		[client pc3]
		master = masters/win11@test
	END
	expect 0 glue apply
	is_on pc3 3
	is_on pc2 1
	expect 0 glue promote masters/win11
	did 'version 3 is in production'
	expect 0 glue apply
	is_on pc2 3
	equal "links" "win11@3.vhdx win11@3.vhdx win11@1.vhdx" "$(links | xargs)"
}

test_versions_lists_what_is_known() {
	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx new
	expect 0 glue publish pc1 masters/win11 --note "a note"
	expect 0 glue versions masters/win11
	did '^ +1 .* 1  production$'
	did '^ +on it: pc2$'
	did '^ +3  20[0-9-]*T[0-9:]*Z .* 1  test +a note$'
	equal "the third" '{"number":3,"client":"pc1","note":"a note","channels":["test"],"clients":["pc1"],"parent":"masters/win11@1.vhdx","file":"masters/win11@3.vhdx"}' \
		"$(glue versions masters/win11.vhdx --json |
			jq -c '.[2] | {number, client, note, channels, clients, parent, file}')"
}

test_retire_refuses_what_is_needed() {
	start_versions pc1 pc2 <<-END
		[client pc3]
		master = masters/win11@2
	END
	expect_error 1 'it is the version in production' \
		glue retire masters/win11 1
	expect_error 1 'it is the master in fleet.conf of pc3' \
		glue retire masters/win11 2
	expect 0 glue promote masters/win11 2
	expect_error 1 'win11@1.vhdx: it is, or may be, the parent of clients/pc[12].vhdx, clients/pc[12].vhdx' \
		glue retire masters/win11 1
	expect_error 1 "VERSION: expected a number" glue retire masters/win11 x
	expect 0 glue apply
	expect 0 glue retire masters/win11 1
	did '^masters/win11@1.vhdx: removed$'
	equal "links" "win11@2.vhdx none none" "$(links | xargs)"
	[ ! -e "$scratch/store/masters/win11@1.vhdx" ] ||
		fail "expected no version 1"
}

test_keep_versions_retires_what_nothing_needs() {
	make_versions 5
	ln -s win11@2.vhdx "$scratch/store/masters/.win11@back.vhdx"
	start_tgtd
	write_fleet <<-END
		[fleet]
		keep-versions = 2
		[client pc1]
		master = masters/win11@3
	END
	expect 0 glue apply
	# Beyond the newest two, 1 was in production, 2 is to be removed, and 3
	# has a child.
	expect 0 glue promote masters/win11 5
	equal "versions" "1 3 4 5" \
		"$(glue versions masters/win11 --json | jq '.[].number' | xargs)"
}

test_check_names_a_master_that_depends_on_a_client() {
	start_versions pc1 </dev/null
	vhdfs-img create --parent "$scratch/store/masters/win11@1.vhdx" \
		"$scratch/store/clients/old.vhdx"
	vhdfs-img create --parent "$scratch/store/clients/old.vhdx" \
		"$scratch/store/masters/win11@7.vhdx"
	expect_error 1 'masters/win11@7.vhdx: parent: expected no image of a client, found clients/old.vhdx' \
		glue check
}

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
