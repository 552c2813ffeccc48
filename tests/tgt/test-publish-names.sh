#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Masters with names that tgt-glue did not make, and disks that changed after an
# interrupted publish: no image is lost, and none takes the place of another.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"

# refuses MESSAGE: a publish and a promotion are refused with it, and change
# nothing.
refuses() {
	local before

	before=$(cd "$scratch/store" && find . -printf '%P %y %l %i\n' | sort)
	expect_error 1 "$1" glue publish pc1 win11
	expect_error 1 "$1" glue promote win11 2
	expect_error 1 "$1" glue promote win11 --back
	equal "the store" "$before" "$(cd "$scratch/store" &&
		find . -printf '%P %y %l %i\n' | sort)"
	expect 0 glue check
	said "warning: $1"
}

test_image_in_the_place_of_a_channel_is_refused() {
	local store=$scratch/store/masters name

	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	for name in win11@test .win11@back .win11@going-back; do
		vhdfs-img create --size 8M "$store/$name.vhdx"
		refuses "masters/$name.vhdx: expected a symbolic link to a version, found a file; .*vhdfs-img rebase"
		rm "$store/$name.vhdx"
	done
	expect 0 glue publish pc1 win11
}

test_images_of_clients_are_no_masters() {
	local before family

	start_versions pc1 pc2 </dev/null
	write_disk clients/pc1.vhdx new
	write_disk clients/pc2.vhdx mine
	write_fleet pc1 </dev/null # so nothing has the image of pc2 open
	expect 0 glue apply
	mkdir -p "$scratch/store/disks/home"
	before=$(cd "$scratch/store" && find . -printf '%P %y %l %i %m\n' | sort)
	for family in clients/pc2 clients/pc9 disks/home/pc9; do
		expect_error 1 "$family.vhdx: expected a master outside of clients/ and disks/, .*; name another one, such as masters/pc" \
			glue publish pc1 "$family"
	done
	expect_error 1 'clients/pc2.vhdx: expected a master outside of' \
		glue promote clients/pc2 1
	equal "the store" "$before" "$(cd "$scratch/store" &&
		find . -printf '%P %y %l %i %m\n' | sort)"
}

test_link_to_an_image_that_is_no_version_is_refused() {
	local masters=$scratch/store/masters

	start_plain vhdx pc1 pc2 </dev/null
	mv "$masters/win11.vhdx" "$masters/win11-2026.vhdx"
	ln -s win11-2026.vhdx "$masters/win11.vhdx"
	write_disk clients/pc1.vhdx new
	write_disk clients/pc2.vhdx mine
	refuses 'masters/win11.vhdx: expected a link to a version, found a link to an image that is none; type .ln -L '
	# What the message says to type.
	bash -c "$(grep -o 'ln -L [^&]*&& chmod [^&]*&& ln -sfn [^'\'']*' "$scratch/stderr" |
		head -n 1)"
	equal "mode" 444 "$(stat -c %a "$masters/win11@1.vhdx")"
	expect 0 glue publish pc1 win11
	expect 0 glue promote win11
	equal "the disk" mine "$(disk clients/pc2.vhdx)"
	equal "the disk" new "$(disk masters/win11.vhdx)"
	equal "the disk" old "$(disk masters/win11@1.vhdx)"
	expect 0 vhdfs-img check "$scratch/store/clients/pc2.vhdx"
	expect 0 glue reset pc2
	equal "the disk" new "$(disk clients/pc2.vhdx)"
}

test_name_of_the_next_version_that_is_taken_is_found_first() {
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	ln -s nowhere "$scratch/store/masters/win11@3.vhdx"
	expect_error 1 'masters/win11@3.vhdx: expected a free name for the next version, found a symbolic link' \
		glue publish pc1 win11
	rm "$scratch/store/masters/win11@3.vhdx"
	mkdir "$scratch/store/masters/win11@3.vhdx"
	expect_error 1 'found a directory; remove it' glue publish pc1 win11
	no_leftovers
}

# killed_at CALL: the publish is killed there.
killed_at() {
	! strace -f -qq -o "$scratch/trace" -e trace="$1" \
		-e inject="$1:signal=SIGKILL:when=1" tgt-glue \
		--config "$scratch/fleet.conf" publish pc1 win11 --note may \
		>"$scratch/killed.out" 2>&1 || fail "expected publish to be killed"
}

test_disk_that_changed_after_an_interrupted_publish_is_published_as_it_is() {
	requires strace
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx OLD
	killed_at linkat
	write_disk clients/pc1.vhdx NEW
	expect 0 glue publish pc1 win11 --note june
	said 'warning: clients/pc1@publishing-win11.vhdx: a publish that did not end froze this state, and the disk of pc1 has changed since; .*delete-snapshot'
	equal "the disk" NEW "$(disk masters/win11@3.vhdx)"
	equal "the disk" NEW "$(disk clients/pc1.vhdx)"
	equal "its note" june "$(glue versions win11 --json | jq -r '.[2].note')"
	is_on pc1 3
	expect 0 vhdfs-img delete-snapshot "$scratch/store/clients/pc1.vhdx" \
		publishing-win11
	no_leftovers
}

test_disk_that_was_reset_after_an_interrupted_publish_is_published_as_it_is() {
	requires strace
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx OLD
	killed_at linkat
	expect 0 glue reset pc1
	expect 1 glue publish pc1 win11
	said 'expected a disk with changes'
	write_disk clients/pc1.vhdx NEW
	expect 0 glue publish pc1 win11 --note june
	equal "the disk" NEW "$(disk masters/win11@3.vhdx)"
	equal "the old state" OLD "$(disk clients/pc1@publishing-win11.vhdx)"
}

# Killed when the version has its name already.
test_version_of_an_interrupted_publish_keeps_its_note() {
	requires strace
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx OLD
	PATH=$scratch/bin:$PATH
	mkdir "$scratch/bin"
	cat >"$scratch/bin/vhdfs-img" <<-END
		#!/bin/bash
		[ "\$1" != rebase ] || exit 1
		exec "$(command -v vhdfs-img)" "\$@"
	END
	chmod 755 "$scratch/bin/vhdfs-img"
	expect 1 glue publish pc1 win11 --note may
	rm "$scratch/bin/vhdfs-img"
	hash -r
	write_disk clients/pc1.vhdx NEW
	expect 0 glue publish pc1 win11 --note june
	did 'version 4, of pc1'
	equal "notes" "may june" \
		"$(glue versions win11 --json | jq -r '.[2:] | map(.note) | join(" ")')"
	equal "the disk" OLD "$(disk masters/win11@3.vhdx)"
	equal "the disk" NEW "$(disk masters/win11@4.vhdx)"
	equal "its parent" masters/win11@3.vhdx "$(parent masters/win11@4.vhdx)"
	is_on pc1 4
	no_leftovers
}

test_interrupted_publish_of_a_client_that_is_logged_in_is_refused() {
	requires strace
	start_versions pc1 </dev/null
	write_disk clients/pc1.vhdx new
	killed_at linkat
	hold_session pc1
	expect_error 1 'tgt-glue: pc1: logged in: ' glue publish pc1 win11
	end_session
	expect 0 glue publish pc1 win11
	did 'version 3, of pc1'
	no_leftovers
}

run_tests
