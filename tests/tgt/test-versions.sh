#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Versions of a master: clients go over to another one, or stay, and a link
# that moves changes no disk.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"

test_child_names_the_file_of_its_version() {
	start_versions pc1 </dev/null
	is_on pc1 1
	vhdfs-img create --parent "$scratch/store/masters/win11.vhdx" \
		"$scratch/store/clients/other.vhdx"
	is_on other 1
	equal "images that name the link" "" "$(name_the_link)"
}

test_masters_are_completed() {
	make_versions 1
	write_fleet pc1 </dev/null
	for command in publish promote versions retire; do
		equal "candidates of $command" masters/win11 \
			"$(tgt-glue --complete --config "$scratch/fleet.conf" \
				"$command" m)"
	done
	equal "candidates" pc1 "$(tgt-glue --complete \
		--config "$scratch/fleet.conf" publish p)"
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

test_many_clients_go_over_in_several_passes() {
	local clients

	mapfile -t clients < <(seq -f 'pc%g' 70)
	start_versions "${clients[@]}" </dev/null
	produce 2
	expect 0 glue plan
	equal "planned" 70 "$(grep -c 'its master is' "$scratch/stdout")"
	expect 0 glue apply
	equal "gone over" 70 "$(grep -c 'made again (its master is' "$scratch/stdout")"
	equal "clients of version 2" 70 "$(glue versions win11 --json |
		jq '.[1].clients | length')"
	produce 1
	tgt-glue --config "$scratch/fleet.conf" watch >>"$scratch/watch.log" 2>&1 &
	watch_pid=$!
	at_exit 'kill "$watch_pid"; wait "$watch_pid" || true'
	for client in "${clients[@]}"; do
		wait_until 60 went_over "$client" 1
	done
}

# A client that cannot go over is named, and the others do; apply ends.
test_apply_ends_where_a_client_cannot_go_over() {
	start_versions pc1 pc2 </dev/null
	produce 2
	exec 8<"$scratch/mnt/clients/pc1.vhdx.raw"
	expect 4 glue apply
	said '^tgt-glue: pc1: image: skipped: its disk is open|^tgt-glue: pc1: skipped: its disk is open'
	exec 8<&-
	is_on pc1 1
	is_on pc2 2
}

test_client_with_data_stays_by_default() {
	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx mine
	write_disk clients/pc2.vhdx mine
	produce 2
	expect 0 glue apply
	said '2 clients stay on another version of masters/win11.vhdx .update = keep, or restored.; `tgt-glue reset CLIENT'
	[ ! -s "$scratch/stdout" ] ||
		fail "expected no change, found: $(cat "$scratch/stdout")"
	is_on pc1 1
	equal "the disk" mine "$(disk clients/pc1.vhdx)"
	expect 0 glue plan
	said '2 clients stay'
	expect 0 glue status
	did '^ +it is on masters/win11@1.vhdx; fleet.conf wants masters/win11@2.vhdx$'
	did '^2 clients are on another version than fleet.conf wants'
	expect 0 glue reset pc1
	is_on pc1 2
	is_on pc2 1
	equal "versions in JSON" \
		"pc1 masters/win11@2.vhdx false, pc2 masters/win11@1.vhdx true" \
		"$(glue status --json | jq -r '[.clients[] |
			"\(.name) \(.version) \(.behind)"] | join(", ")')"
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

# restore_old CLIENT: brings its old image back.
restore_old() {
	expect 0 glue restore "$1" "$(glue disks --json "$1" |
		jq -r '.[] | select(.kind == "put-aside").which')"
}

test_restored_disk_stays_with_update_reset_until_a_reset() {
	requires jq
	start_versions pc2 <<-END
		[client pc1]
		update = reset
	END
	write_disk clients/pc1.vhdx mine
	produce 2
	expect 0 glue apply
	is_on pc1 2
	restore_old pc1
	expect 0 glue apply
	said '1 client stays on another version of .* .update = keep, or restored.;'
	is_on pc1 1
	equal "the disk" mine "$(disk clients/pc1.vhdx)"
	expect 0 glue reset pc1
	is_on pc1 2
}

test_restore_warns_that_reset_boot_undoes_it() {
	requires jq
	start_versions pc2 <<-END
		[client pc1]
		reset = boot
	END
	write_disk clients/pc1.vhdx mine
	expect 0 glue reset pc1
	restore_old pc1
	said '^tgt-glue: pc1: image: warning: it gets a fresh disk after its next session .reset = boot.;'
	produce 2
	expect 0 glue apply
	is_on pc1 2
	expect 0 glue restore pc1 "$(glue disks --json pc1 |
		jq -r '[.[] | select(.kind == "put-aside").which][0]')"
	said '^tgt-glue: pc1: image: warning: the next pass of apply or watch gives it a fresh disk'
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
	did '^1 client stays on another version .update = keep, or restored.; `tgt-glue reset pc1. '
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

test_versions_without_a_master_lists_all_masters() {
	make_versions 2
	add_versions home 1
	start_tgtd
	write_fleet pc1 pc2 <<-END
		[disk home]
		lun = 2
		master = masters/home
	END
	sed -i '/^\[defaults\]/a disks = home' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "masters" '[["masters/win11.vhdx",[1,2],["pc1","pc2"]],["masters/home.vhdx",[1],["pc1","pc2"]]]' \
		"$(glue versions --json | jq -c \
			'[.[] | [.master, [.versions[].number], .versions[0].clients]]')"
	expect 0 glue versions
	did '^masters/win11.vhdx$'
	did '^masters/home.vhdx$'
	did '^ +on it with disk home: pc1 pc2$'
}

# Masters that no disk has; a snapshot, an image that clients share and a hidden
# file are none.
test_versions_without_a_master_lists_masters_of_no_disk() {
	make_versions 1
	add_versions spare 2
	vhdfs-img create --size 64M "$scratch/store/masters/plain.vhdx"
	vhdfs-img create --size 64M "$scratch/store/masters/games.vhdx"
	cp "$scratch/store/masters/plain.vhdx" "$scratch/store/masters/.hidden.vhdx"
	vhdfs-img snapshot "$scratch/store/masters/plain.vhdx" before
	start_tgtd
	write_fleet pc1 <<-END
		[disk games]
		lun = 2
		image = masters/games.vhdx
	END
	sed -i '/^\[defaults\]/a disks = games' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "masters" '[["masters/win11.vhdx",true,[1]],["masters/plain.vhdx",false,[]],["masters/spare.vhdx",false,[1,2]]]' \
		"$(glue versions --json | jq -c \
			'[.[] | [.master, .named, [.versions[].number]]]')"
	expect 0 glue versions
	did '^masters/win11.vhdx$'
	did '^masters/spare.vhdx .no disk of fleet.conf has it.$'
	# It may be no master: nothing tells to publish to it.
	! grep -q 'publish CLIENT masters/plain' "$scratch/stdout" ||
		fail "expected no advice for plain, found: $(cat "$scratch/stdout")"
}

# bytes FILE...: what these files of the store take.
bytes() {
	(cd "$scratch/store" && stat -c %b "$@") |
		awk '{ n += $1 * 512 } END { print n }'
}

test_versions_tells_what_each_master_takes() {
	make_versions 2
	vhdfs-img create --size 64M "$scratch/store/masters/plain.vhdx"
	write_fleet pc1 <<-END
		[client pc2]
		master = masters/plain
	END
	equal "allocated" "$(bytes masters/win11@1.vhdx masters/win11@2.vhdx) $(bytes masters/plain.vhdx)" \
		"$(glue versions --json | jq -r '[.[].allocated] | join(" ")')"
}

test_status_counts_masters_of_no_disk() {
	make_versions 1
	add_versions spare 1
	start_tgtd
	write_fleet pc1 </dev/null
	expect 0 glue apply
	equal "masters" "$(bytes masters/win11@1.vhdx masters/spare@1.vhdx)" \
		"$(glue status --json | jq .images.masters)"
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

run_tests
