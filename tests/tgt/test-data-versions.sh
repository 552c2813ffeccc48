#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Versions of the masters of data disks: each disk of a client goes over or stays
# by itself, and a data disk can be published.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"

# start_games CLIENT... <<KEYS: a server with two versions of win11 and of games;
# the clients have a disk games, with these keys too.  Each system disk has
# "mine".
start_games() {
	local client

	requires_initiator
	requires jq
	make_versions 2
	add_versions games 2
	start_tgtd
	write_fleet "$@" < <(printf '[disk games]\nlun = 2\nmaster = masters/games\n' &&
		cat)
	sed -i '/^\[defaults\]/a disks = games' "$scratch/fleet.conf"
	expect 0 glue apply
	for client; do
		write_disk "clients/$client.vhdx" mine
	done
}

games_is_on() {
	equal "the parent of games of $1" "masters/games@$2.vhdx" \
		"$(parent "disks/games/$1.vhdx")"
}

games_went_over() {
	[ "$(parent "disks/games/$1.vhdx")" = "masters/games@$2.vhdx" ]
}

# kept CLIENT...: their system disks were not touched.
kept() {
	local client

	for client; do
		equal "system disk of $client" mine "$(disk "clients/$client.vhdx")"
	done
	equal "old images of system disks" "" \
		"$(find "$scratch/store/clients" -name '.pc*')"
}

did_nothing() {
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
}

test_disk_without_data_goes_over_and_one_with_data_stays() {
	start_games pc1 pc2 </dev/null
	write_disk disks/games/pc1.vhdx saved
	expect 0 glue promote masters/games 2
	did '^masters/games.vhdx: version 2 is in production$'
	did '^1 client goes over with disk games before the next boot: '
	did '^1 client stays with disk games on another version .*; `tgt-glue reset --disk games pc1. gives'
	expect 0 glue plan
	did '^pc2: target: make it again \(disk games: its master is masters/games@2.vhdx now\)$'
	said '1 client stays with disk games on another version of masters/games.vhdx .*; `tgt-glue reset --disk games CLIENT. gives'
	games_is_on pc2 1
	expect 0 glue apply
	did '^pc2: disk games: image: disks/games/pc2.vhdx is fresh, a child of masters/games@2.vhdx$'
	games_is_on pc1 1
	games_is_on pc2 2
	equal "games of pc1" saved "$(disk disks/games/pc1.vhdx)"
	equal "games of pc2" "version 2" "$(disk disks/games/pc2.vhdx)"
	kept pc1 pc2
	expect 0 glue apply
	did_nothing
	# The advice.
	expect 0 glue reset --disk games pc1
	games_is_on pc1 2
	kept pc1 pc2
	expect 0 glue promote games --back
	did '^2 clients go over with disk games'
	expect 0 glue apply
	games_is_on pc1 1
	games_is_on pc2 1
	kept pc1 pc2
}

test_update_reset_of_a_data_disk_is_its_own() {
	start_games pc1 <<-END
		update = reset
	END
	write_disk disks/games/pc1.vhdx saved
	expect 0 glue promote games 2
	expect 0 glue promote win11 2
	did '^1 client stays on another version .*`tgt-glue reset pc1. '
	expect 0 glue apply
	did '^pc1: disk games: image: disks/games/pc1.vhdx is fresh; the old one is disks/games/\.pc1\.vhdx\.'
	games_is_on pc1 2
	is_on pc1 1
	kept pc1
}

test_new_system_master_leaves_the_data_disk() {
	start_games pc1 </dev/null
	sed -i '/^\[client pc1\]/a update = reset' "$scratch/fleet.conf"
	write_disk disks/games/pc1.vhdx saved
	expect 0 glue promote win11 2
	expect 0 glue apply
	is_on pc1 2
	games_is_on pc1 1
	equal "games" saved "$(disk disks/games/pc1.vhdx)"
}

test_both_disks_go_over_at_once() {
	start_games pc1 </dev/null
	expect 0 glue reset pc1 # it has no data then
	produce 2
	produce 2 games
	expect 0 glue apply
	did '^pc1: target: made again \(its master is masters/win11@2.vhdx now; disk games: its master is masters/games@2.vhdx now\)$'
	is_on pc1 2
	games_is_on pc1 2
}

test_many_clients_go_over_in_several_passes() {
	local clients

	mapfile -t clients < <(seq -f 'pc%g' 70)
	start_games "${clients[@]}" </dev/null
	produce 2 games
	expect 0 glue apply
	equal "gone over" 70 "$(grep -c 'made again (disk games: its master' \
		"$scratch/stdout")"
	equal "clients of version 2" 70 "$(glue versions games --json |
		jq '.[1].clients | length')"
	kept "${clients[@]}"
}

# The system disk has reset = boot too, and is not behind.
test_reset_boot_of_a_data_disk_goes_over() {
	start_games pc1 <<-END
		reset = boot
	END
	sed -i '/^\[client pc1\]/a reset = boot' "$scratch/fleet.conf"
	expect 0 glue apply
	write_disk disks/games/pc1.vhdx saved
	expect 0 glue promote games 2
	did '^1 client goes over with disk games'
	expect 0 glue apply
	games_is_on pc1 2
	kept pc1
	expect 0 glue status
	did '^all is as fleet.conf says$'
	[ ! -e "$scratch/targets.conf.resets" ] ||
		fail "expected no reset that is due"
	grep -q 'games/pc1' "$scratch/targets.conf" ||
		fail "expected the client in the targets-file"
	expect 0 glue apply
	did_nothing
}

# The system disk stays: it is no reason not to admit the client.
test_disk_that_cannot_go_over_is_named_and_the_other_one_does() {
	start_games pc1 <<-END
		reset = boot
	END
	sed -i '/^\[client pc1\]/a update = reset' "$scratch/fleet.conf"
	produce 2
	produce 2 games
	exec 8<"$scratch/mnt/clients/pc1.vhdx.raw"
	expect 4 glue apply
	said '^tgt-glue: pc1: image: skipped: its disk is open'
	exec 8<&-
	is_on pc1 1
	games_is_on pc1 2
	is_open pc1
	[ ! -e "$scratch/targets.conf.resets" ] ||
		fail "expected no reset that is due"
	expect 0 glue apply
	is_on pc1 2
}

test_disk_in_use_does_not_keep_the_other_one_from_going_over() {
	start_games pc1 <<-END
		update = reset
	END
	sed -i '/^\[client pc1\]/a update = reset' "$scratch/fleet.conf"
	write_disk disks/games/pc1.vhdx saved
	produce 2
	produce 2 games
	exec 8<"$scratch/mnt/disks/games/pc1.vhdx.raw"
	expect 4 glue apply
	said '^tgt-glue: pc1: image: skipped: its disk is open: .*`tgt-glue reset --disk games pc1'
	did '^pc1: target: made again \(its master is masters/win11@2.vhdx now\)$'
	is_on pc1 2
	games_is_on pc1 1
	# It is the only one then.
	expect 4 glue apply
	said '^tgt-glue: pc1: skipped: its disk is open'
	exec 8<&-
	expect 0 glue apply
	games_is_on pc1 2
}

test_logged_in_client_goes_over_at_its_logout() {
	start_games pc1 pc2 <<-END
		update = reset
	END
	tgt-glue --config "$scratch/fleet.conf" watch >>"$scratch/watch.log" 2>&1 &
	watch_pid=$!
	at_exit 'kill "$watch_pid"; wait "$watch_pid" || true'
	lun=2
	hold_session pc1
	works write 5
	wait_until 20 grep -q ":pc1" "$scratch/targets.conf.sessions"
	expect 0 glue promote games 2
	expect 0 glue apply
	wait_until 20 games_went_over pc2 2
	works read 9
	works write 6
	games_is_on pc1 1
	end_session
	wait_until 30 games_went_over pc1 2
	kept pc1 pc2
}

# start_maps: a server with two versions of maps, which pc1 and pc2 share.
start_maps() {
	requires_initiator
	requires jq
	make_versions 1
	add_versions maps 2
	start_tgtd
	write_fleet pc1 pc2 <<-END
		[disk maps]
		lun = 2
		image = masters/maps
	END
	sed -i '/^\[defaults\]/a disks = maps' "$scratch/fleet.conf"
	expect 0 glue apply
}

# maps_of CLIENT: prints what its shared disk shows, as tgtd exports it.
maps_of() {
	lun=2
	qemu-img dd -O raw if="$(url "$1")" of="$scratch/read" bs=512 skip=9 \
		count=10 >/dev/null
	unset lun
	tr -d '\0' <"$scratch/read"
}

target_of() {
	glue status --json | jq -r --arg name "$1" \
		'.clients[] | select(.name == $name).target'
}

# pc2 has the new version then, whose file tgtd has open.
test_shared_disk_of_a_session_gets_the_new_version_after_the_logout() {
	start_maps
	hold_session pc1
	expect 0 glue promote maps 2
	expect 4 glue apply
	said '^tgt-glue: pc1: skipped: logged in: '
	equal "pc2" ok "$(target_of pc2)"
	equal "maps of pc2" "version 2" "$(maps_of pc2)"
	equal "pc1 under the session" differs "$(target_of pc1)"
	expect 4 glue apply
	equal "output of the second apply" "" "$(cat "$scratch/stdout")"
	end_session
	equal "pc1 after the session" differs "$(target_of pc1)"
	equal "maps of pc1" "version 1" "$(maps_of pc1)"
	expect 0 glue apply
	did '^pc1: target: made again .disk maps: expected .*/masters/maps@2.vhdx.raw, found .*/masters/maps@1.vhdx.raw'
	equal "maps of pc1" "version 2" "$(maps_of pc1)"
	expect 0 glue apply
	did_nothing
}

test_watch_gives_a_shared_disk_its_new_version_after_the_logout() {
	start_maps
	tgt-glue --config "$scratch/fleet.conf" watch >>"$scratch/watch.log" 2>&1 &
	watch_pid=$!
	at_exit 'kill "$watch_pid"; wait "$watch_pid" || true'
	hold_session pc1
	wait_until 20 grep -q ":pc1" "$scratch/targets.conf.sessions"
	expect 0 glue promote maps 2
	wait_until 20 gone_over pc2 maps 2
	gone_over pc1 maps 1
	end_session
	wait_until 30 gone_over pc1 maps 2
	equal "maps of pc1" "version 2" "$(maps_of pc1)"
}

# gone_over CLIENT NAME NUMBER: tgtd has this version for a shared disk.
gone_over() {
	shown "$1" | grep -q "/masters/$2@$3.vhdx.raw\$"
}

# The link leads to another version when the mount comes back.
test_session_keeps_the_version_of_a_shared_disk_over_an_outage() {
	start_maps
	lun=2
	hold_session pc1
	unset lun
	works read 9
	expect 0 glue promote maps 2
	stop_mount "$scratch/mnt"
	return_mount
	expect 4 glue apply
	did '^pc1: disk maps: given its file again'
	gone_over pc1 maps 1
	works read 9
	end_session
	equal "maps of pc1" "version 1" "$(maps_of pc1)"
	expect 0 glue apply
	equal "maps of pc1" "version 2" "$(maps_of pc1)"
}

# Both disks of pc1 go over, and the games of pc2, which has no data there.
test_going_over_killed_anywhere_is_completed_by_the_next_apply() {
	local version=1 call n status

	choose_calls
	requires strace
	export ASAN_OPTIONS=detect_leaks=0
	start_games pc1 pc2 <<-END
		update = reset
	END
	sed -i '/^\[client pc1\]/a update = reset' "$scratch/fleet.conf"
	for call in connect linkat renameat2 renameat fsync; do
		n=0 status=137
		while [ "$status" = 137 ]; do
			next_call
			version=$((3 - version))
			write_disk disks/games/pc1.vhdx "saved $call $n."
			produce "$version"
			produce "$version" games
			status=0
			strace -f -qq -o "$scratch/trace" -e trace="$call" \
				-e inject="$call:signal=SIGKILL:when=$n" \
				tgt-glue --config "$scratch/fleet.conf" apply \
				>"$scratch/killed.out" 2>&1 || status=$?
			expect 0 glue apply
			both_went_over "killed at $call $n" "$version"
			grep -qF "saved $call $n." \
				"$scratch"/store/disks/games/.pc1.vhdx.* ||
				fail "killed at $call $n: expected the old image"
		done
		equal "the last one's exit status" 0 "$status"
	done
}

# both_went_over WHEN VERSION
both_went_over() {
	games_went_over pc1 "$2" && games_went_over pc2 "$2" &&
		went_over pc1 "$2" || fail "$1: expected version $2"
	equal "system disk of pc2 $1" mine "$(disk clients/pc2.vhdx)"
	is_open pc1 && is_open pc2 || fail "$1: expected both admitted"
	equal "left over $1" "" "$(find "$scratch/store" -name '*.next.new')"
	equal "differences $1" true "$(glue status --json | jq .agrees)"
}

test_publish_makes_a_version_of_a_data_disk() {
	local image

	start_games pc1 pc2 pc3 </dev/null
	image=disks/games/pc1.vhdx
	write_disk "$image" one
	vhdfs-img snapshot "$scratch/store/$image" before
	write_disk "$image" new
	expect 0 glue publish pc1 masters/games --note "more games"
	did '^masters/games.vhdx: version 3, of disk games of pc1, is under test; '
	equal "the disk" new "$(disk masters/games@3.vhdx)"
	equal "parent of version 3" masters/games@1.vhdx \
		"$(parent masters/games@3.vhdx)"
	games_is_on pc1 3
	equal "games of pc1" new "$(disk "$image")"
	equal "the version" '{"number":3,"client":"pc1","disk":"games","note":"more games","channels":["test"],"clients":["pc1"],"disks":[{"client":"pc1","disk":"games"}]}' \
		"$(glue versions games --json | jq -c '.[2] |
			{number, client, disk, note, channels, clients, disks}')"
	kept pc1 pc2 pc3
	is_on pc1 1
	expect 0 glue check
	# It stays on what it has published; the others go over.
	expect 0 glue apply
	games_is_on pc1 3
	write_disk disks/games/pc3.vhdx saved
	expect 0 glue promote games
	expect 0 glue apply
	games_is_on pc2 3
	equal "games of pc2" new "$(disk disks/games/pc2.vhdx)"
	games_is_on pc3 1
	expect 0 glue versions games
	did '^ +1 .* 1  back *$'
	did '^ +3 .* 2  production test +more games$'
	did '^ +on it with disk games: pc1 pc2$'
	did '^1 client stays with disk games .*`tgt-glue reset --disk games pc3. '
	expect 0 vhdfs-img check "$scratch/store/masters/games@3.vhdx"
}

test_publish_of_a_plain_master_makes_two_versions() {
	start_games pc1 pc2 </dev/null
	vhdfs-img create --size 64M "$scratch/store/masters/maps.vhdx"
	wait_until 5 test -s "$scratch/mnt/masters/maps.vhdx.raw"
	write_disk masters/maps.vhdx old
	sed -i 's/^disks = .*/disks = games maps/' "$scratch/fleet.conf"
	printf '[disk maps]\nlun = 3\nmaster = masters/maps\n' \
		>>"$scratch/fleet.conf"
	expect 0 glue apply
	write_disk disks/maps/pc1.vhdx new
	expect 0 glue publish pc1 maps
	did '^masters/maps.vhdx: version 2, of disk maps of pc1, '
	equal "parent of pc1" masters/maps@2.vhdx "$(parent disks/maps/pc1.vhdx)"
	equal "parent of pc2" masters/maps@1.vhdx "$(parent disks/maps/pc2.vhdx)"
	games_is_on pc1 1
	expect 0 glue promote maps
	expect 0 glue apply
	equal "maps of pc2" new "$(disk disks/maps/pc2.vhdx)"
	kept pc1 pc2
}

test_publish_chooses_the_disk() {
	start_games pc1 </dev/null
	sed -i 's/^disks = .*/disks = games twin stage shared/' \
		"$scratch/fleet.conf"
	vhdfs-img create --size 64M "$scratch/store/masters/shared.vhdx"
	cat >>"$scratch/fleet.conf" <<-END
		[disk twin]
		lun = 3
		master = masters/games@1
		[disk stage]
		lun = 4
		size = 64M
		[disk shared]
		lun = 5
		image = masters/shared
	END
	expect 0 glue apply
	write_disk disks/twin/pc1.vhdx twin
	write_disk disks/stage/pc1.vhdx stage
	expect_error 1 'masters/games.vhdx: expected the master of one disk of pc1, found disks games and twin; add --disk NAME' \
		glue publish pc1 games
	expect_error 1 "expected a disk with an image of the client's own, found disk shared of client pc1" \
		glue publish --disk shared pc1 games
	expect_error 1 "expected a data disk of the client, found 'none'" \
		glue publish --disk none pc1 games
	expect 0 glue publish --disk twin pc1 games
	equal "version 3 of games" twin "$(disk masters/games@3.vhdx)"
	games_is_on pc1 1
	# A disk of its own becomes the first version of a master.
	expect 0 glue publish --disk stage pc1 masters/maps
	did '^masters/maps.vhdx: version 1, of disk stage of pc1, '
	equal "version 1 of maps" stage "$(disk masters/maps@1.vhdx)"
	equal "disk stage" stage "$(disk disks/stage/pc1.vhdx)"
	equal "its parent" masters/maps@1.vhdx "$(parent disks/stage/pc1.vhdx)"
	expect 0 glue apply
	did_nothing
	# Without --disk, a new name is for the system disk.
	expect 0 glue publish pc1 masters/other
	equal "version 1 of other" mine "$(disk masters/other@1.vhdx)"
}

test_disks_to_be_published_are_completed() {
	start_games pc1 </dev/null
	equal "disks" games "$(tgt-glue --complete \
		--config "$scratch/fleet.conf" publish --disk g)"
	equal "masters" masters/games "$(tgt-glue --complete \
		--config "$scratch/fleet.conf" promote masters/g)"
}

test_publish_refuses_a_data_disk_in_use() {
	start_games pc1 </dev/null
	write_disk disks/games/pc1.vhdx new
	# At its system disk: the target is one.
	hold_session pc1
	expect_error 1 'tgt-glue: pc1: logged in: .* from 127.0.0.1; shut it down' \
		glue publish pc1 games
	end_session
	exec 8<"$scratch/mnt/disks/games/pc1.vhdx.raw"
	expect_error 1 'pc1: its disk games is open: ' glue publish pc1 games
	exec 8<&-
	# Another disk may be open.
	exec 8<"$scratch/mnt/clients/pc1.vhdx.raw"
	expect 0 glue publish pc1 games
	exec 8<&-
	expect_error 1 'disks/games/pc1.vhdx: expected a disk with changes, found that it equals masters/games@3' \
		publish_again
}

# The version under test is not the last any more.
publish_again() {
	cp "$scratch/store/masters/games@2.vhdx" \
		"$scratch/store/masters/games@4.vhdx"
	glue publish pc1 games
}

test_publish_checks_the_file_systems_of_the_data_disk() {
	start_games pc1 </dev/null
	write_disk disks/games/pc1.vhdx new
	cat >"$scratch/look" <<-END
		#!/bin/sh
		case \$1 in
		*/disks/games/pc1.vhdx.raw) echo unclean 1 ntfs it was not unmounted ;;
		esac
	END
	chmod 755 "$scratch/look"
	export VHDFS_LOOK_INTO=$scratch/look
	expect_error 1 'tgt-glue: disk games of pc1: expected file systems that were unmounted, found: partition 1 ntfs' \
		glue publish pc1 games
	equal "versions" 2 "$(glue versions games --json | jq length)"
	equal "the disk" new "$(disk disks/games/pc1.vhdx)"
	expect 0 glue publish --unclean pc1 games
	expect 0 glue publish pc1 win11
	unset VHDFS_LOOK_INTO
}

test_retire_names_the_data_disks_that_need_a_version() {
	start_games pc1 pc2 </dev/null
	write_disk disks/games/pc1.vhdx saved
	expect_error 1 'it is the version in production' glue retire games 1
	expect 0 glue promote games 2
	expect 0 glue apply
	expect_error 1 'masters/games@1.vhdx: it is, or may be, the parent of disks/games/pc1.vhdx .disk games of pc1.; type .tgt-glue reset --disk games pc1.' \
		glue retire games 1
	sed -i 's|^master = masters/games$|&@1|' "$scratch/fleet.conf"
	expect_error 1 'masters/games@1.vhdx: it is the master in fleet.conf of disk games of pc1, disk games of pc2' \
		glue retire games 1
	sed -i 's|^master = masters/games@1|master = masters/games|' \
		"$scratch/fleet.conf"
	expect 0 glue reset --disk games pc1
	rm "$scratch"/store/disks/games/.pc1.*
	expect 0 glue retire games 1
	kept pc1 pc2
}

# The newest two stay, what is or was in production, and what has a child.
test_keep_versions_retires_those_of_data_disks() {
	start_games pc1 pc2 </dev/null
	sed -i '/^\[fleet\]/a keep-versions = 2' "$scratch/fleet.conf"
	write_disk disks/games/pc1.vhdx saved
	for i in 3 4; do
		vhdfs-img create --size 64M "$scratch/store/masters/games@$i.vhdx"
	done
	for i in 2 3; do
		expect 0 glue promote games "$i"
		expect 0 glue apply
		equal "versions" "1 2 3 4" "$(glue versions games --json |
			jq '.[].number' | xargs)"
	done
	expect 0 glue promote games 4
	equal "versions" "1 3 4" "$(glue versions games --json |
		jq '.[].number' | xargs)"
	games_is_on pc1 1
	games_is_on pc2 3
}

# disk_of CLIENT FILTER: of its disk games, in JSON.
disk_of() {
	glue status --json | jq -c ".clients[] | select(.name == \"$1\") |
		.disks[0] | $2"
}

test_status_tells_the_version_of_each_disk() {
	start_games pc1 pc2 </dev/null
	write_disk disks/games/pc1.vhdx saved
	expect 0 glue promote games 2
	expect 0 glue apply
	equal "games of pc1" '["masters/games.vhdx","masters/games@1.vhdx","masters/games@2.vhdx",true]' \
		"$(disk_of pc1 '[.master, .version, .wanted, .behind]')"
	equal "games of pc2" '["masters/games@2.vhdx","masters/games@2.vhdx",false]' \
		"$(disk_of pc2 '[.version, .wanted, .behind]')"
	equal "system disk" '["masters/win11@1.vhdx",false]' \
		"$(glue status --json | jq -c '.clients[0] | [.version, .behind]')"
	expect 0 glue status
	did '^    it is on masters/games@1.vhdx; fleet.conf wants masters/games@2.vhdx$'
	did '^1 client is on another version than fleet.conf wants'
	expect 0 glue status --prometheus
	did '^tgt_glue_client_behind.client="pc1". 0$'
	did '^tgt_glue_client_behind.client="pc1",disk="games". 1$'
	did '^tgt_glue_client_behind.client="pc2",disk="games". 0$'
	did '^tgt_glue_client_version.client="pc1". 1$'
	did '^tgt_glue_client_version.client="pc1",disk="games". 1$'
	did '^tgt_glue_client_wanted_version.client="pc1",disk="games". 2$'
	did '^tgt_glue_client_version.client="pc2",disk="games". 2$'
}

test_check_names_a_master_that_depends_on_a_data_disk() {
	start_games pc1 </dev/null
	vhdfs-img create --parent "$scratch/store/masters/games@1.vhdx" \
		"$scratch/store/disks/games/old.vhdx"
	vhdfs-img create --parent "$scratch/store/disks/games/old.vhdx" \
		"$scratch/store/masters/games@7.vhdx"
	expect_error 1 'masters/games@7.vhdx: parent: expected no image of a client, found disks/games/old.vhdx' \
		glue check
}

run_tests
