# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Functions for tests of the Cockpit page, after tgt.sh, versions.sh and
# journal.sh: the page in a folder of
# the test, Cockpit's web server for one session, and a browser that a script of
# this folder (NAME.mjs over page.mjs) drives.

# The bundle, and what npm gives, are in the build directory.
npm_dir=$top_builddir/node
browse_by=()

# Skips unless all programs are here that show the page.
requires_browser() {
	requires_tgtd
	requires cockpit-bridge jq
	requires_driver
	ws=$(find /usr/lib/cockpit /usr/libexec -maxdepth 1 -name cockpit-ws \
		2>/dev/null | head -n 1 || true)
	[ -n "$ws" ] || skip "no cockpit-ws"
}

# Skips unless a browser is here, and what drives it.
requires_driver() {
	requires node npm
	browser=$(command -v chromium || command -v chromium-browser || true)
	[ -n "$browser" ] || skip "no chromium"
	fetch_modules
}

# The modules of package-lock.json, once for a build directory.  Without network npm
# fails after a while, and the tests of the next minutes do not try again.
fetch_modules() {
	local sum failed=$npm_dir/failed

	mkdir -p "$npm_dir"
	sum=$(sha256_of "$top_srcdir/tests/cockpit/package-lock.json")
	exec 8>"$npm_dir/lock"
	flock 8
	if [ "$(cat "$npm_dir/fetched" 2>/dev/null)" != "$sum" ]; then
		[ -z "$(find "$failed" -mmin -15 2>/dev/null)" ] ||
			skip "$(cat "$failed")"
		rm -f "$npm_dir/fetched" "$failed"
		cp "$top_srcdir"/tests/cockpit/package*.json "$npm_dir"
		(cd "$npm_dir" && npm ci --ignore-scripts --no-audit --no-fund) \
			>"$npm_dir/npm.log" 2>&1 || {
			echo "npm ci fails:" "$(sed -n 's/^npm err[^ ]* //I p' \
				"$npm_dir/npm.log" | head -n 2 |
				paste -sd ' ')" >"$failed"
			skip "$(cat "$failed")"
		}
		echo "$sum" >"$npm_dir/fetched"
	fi
	exec 8>&-
}

# The page in $scratch/share/cockpit/vhdfs, as the build made it, or the release
# archive has it.
make_page() {
	local made=$top_builddir/cockpit/dist page=$scratch/share/cockpit/vhdfs

	[ -f "$made/index.js" ] || made=$top_srcdir/cockpit/dist
	[ -f "$made/index.js" ] ||
		skip "the page is not made: configure found no esbuild"
	mkdir -p "$page"
	cp "$made"/* "$page"
}

# A tgt-glue before the real one in PATH: it takes the fleet.conf of the test, or
# without $glue_config asks answer_readers, and writes the list of its arguments as a line of JSON to $scratch/commands.
make_glue() {
	local real glue_config=${glue_config---config $scratch/fleet.conf}

	real=$(command -v tgt-glue)
	mkdir -p "$scratch/bin"
	cat >"$scratch/bin/tgt-glue" <<-END
		#!/bin/sh
		jq -nc '\$ARGS.positional' --args -- "\$@" >>"$scratch/commands" 2>/dev/null
		exec "$real" $glue_config "\$@"
	END
	chmod 755 "$scratch/bin/tgt-glue"
	: >"$scratch/commands"
	chmod 666 "$scratch/commands"
}

# start_cockpit [COMMAND...]: serves one session on $cockpit_port, of the
# user that runs the test; with a command, such as one that changes the user, the
# session's bridge is started by it.
# shellcheck disable=SC2120
start_cockpit() {
	make_page
	make_glue
	cat >"$scratch/bin/bridge" <<-END
		#!/bin/sh
		exec $* $(command -v cockpit-bridge)
	END
	chmod 755 "$scratch/bin/bridge"
	cockpit_port=$(free_port)
	# With an address the bridge starts no dbus-daemon, which would not end.
	DBUS_SESSION_BUS_ADDRESS=disabled: XDG_DATA_DIRS=$scratch/share:/usr/local/share:/usr/share \
		XDG_CONFIG_DIRS=$scratch HOME=$scratch \
		PATH=$scratch/bin:$PATH LC_ALL=C.UTF-8 "$ws" \
		--local-session="$scratch/bin/bridge" --no-tls --port \
		"$cockpit_port" --address 127.0.0.1 \
		>"$scratch/cockpit.log" 2>&1 &
	cockpit_pid=$!
	at_exit end_cockpit
	cockpit_url=http://127.0.0.1:$cockpit_port
	wait_until 10 cockpit_listens
}

cockpit_listens() {
	kill -0 "$cockpit_pid" || fail "cockpit-ws ended: $(cat "$scratch/cockpit.log")"
	(: <"/dev/tcp/127.0.0.1/$cockpit_port") 2>/dev/null
}

end_cockpit() {
	kill "$cockpit_pid" 2>/dev/null || true
	wait "$cockpit_pid" 2>/dev/null || true
}

# browse NAME [ARGUMENT...]: runs NAME.mjs of $scripts with a browser at the page.
# The script may ask for steps, which are commands of this shell: step() of
# page.mjs returns when the command has ended.  Fails unless the script ends with
# 0; a script that ends early, as with a mistake of its syntax, ends the steps.
# ${browse_by[@]} is a command that runs it, as in another network.
browse() {
	local both step status=0
	local scripts=${scripts:-$top_srcdir/tests/cockpit}

	mkfifo "$scratch/steps" "$scratch/answers"
	# With both ends no open waits; the script alone keeps the end of steps
	# that is written.
	exec {both}<>"$scratch/steps" {answers}<>"$scratch/answers"
	exec {steps}<"$scratch/steps"
	COCKPIT_URL=$cockpit_url BROWSER=$browser SCRATCH=$scratch \
		NPM_DIR=$npm_dir PICTURES=$(picture_directory) \
		HANG_SECONDS=$hang_seconds HOME=$scratch \
		"${browse_by[@]}" node "$scripts/$1.mjs" "${@:2}" 2>&1 \
		3>"$scratch/steps" 4<"$scratch/answers" {both}>&- &
	node_pid=$!
	exec {both}>&-
	at_exit end_browser
	while IFS= read -r step <&"$steps"; do
		eval "$step"
		echo ended >&"$answers"
	done
	wait "$node_pid" || status=$?
	exec {steps}<&- {answers}>&-
	rm "$scratch/steps" "$scratch/answers"
	[ "$status" = 0 ] || fail "$1.mjs: exit status $status;" \
		"cockpit-ws said: $(cockpit_said)"
}

cockpit_said() {
	tail -n 20 "$scratch/cockpit.log"
}

end_browser() {
	# A script that waits for a step fails.
	! kill -0 "$node_pid" 2>/dev/null || echo failed >"$scratch/answers"
	kill "$node_pid" 2>/dev/null || true
	wait "$node_pid" 2>/dev/null || true
}

# Where pictures of the views are kept: VHDFS_PICTURES, or the build directory.
picture_directory() {
	local directory=${VHDFS_PICTURES:-$top_builddir/tests/cockpit/pictures}

	mkdir -p "$directory"
	echo "$directory"
}

# show_fleet COUNT [<<REST]: a server with versions of its master whose machines
# pc1, pc2, ... have a data disk if they are few, and the page of it.
show_fleet() {
	requires_browser
	make_versions 3
	start_tgtd
	# shellcheck disable=SC2046
	write_fleet $(seq -f 'pc%g' 1 "$1") <<-END
		[disk home]
		lun = 2
		size = 20M
		[group front]
		match = pc1 pc2
	END
	cat >>"$scratch/fleet.conf"
	[ "$1" -gt 100 ] ||
		sed -i "/^\[defaults\]/a disks = home" "$scratch/fleet.conf"
	sed -i -e "s|^control-port.*|&\nlog-file = $scratch/log|" \
		"$scratch/fleet.conf"
	expect 0 glue apply
	# shellcheck disable=SC2119
	start_cockpit
}

# furnish COUNT: a fleet in use, with something of all that the views tell.  pc1 is
# logged in, stays on version 1 where 2 is wanted, has a snapshot and a disk that
# was put aside, and was refused once; pc2 takes most space; games has another
# master; one image is of no machine; the versions are a tree.
furnish() {
	requires_initiator
	show_fleet $(($1 - 1)) <<-END
		[client gone]
	END
	add_versions games 1
	sed -i '/client gone/d' "$scratch/fleet.conf"
	printf '[client games]\nmaster = masters/games\n' >>"$scratch/fleet.conf"
	expect 0 glue apply
	use_disk pc1 earlier
	expect 0 glue reset pc1
	use_disk pc1 mine
	expect 0 glue snapshot --note "before the exam" exam pc1
	expect 0 glue snapshot other pc2
	use_disk pc2 branch
	expect 0 glue publish --note "a branch" pc2 masters/win11
	expect 0 glue reset pc2
	use_disk pc2 newest
	expect 0 glue publish pc2 masters/win11
	make_journal
	start_watch
	wait_until 30 test -s "$scratch/targets.conf.samples"
	hold_session pc1
	wait_until 30 has_logged login
	entry "CHAP initiator auth.: authentication of $iqn_prefix:initiator failed (wrong secret!?)"
	wait_until 30 has_logged refused
	expect 0 glue promote masters/win11 2
	# A disk with changes stays.
	expect 0 glue reset pc2
	wait_until 30 is_version "pc$(($1 - 1))" 2
	dd if=/dev/urandom of="$scratch/mnt/clients/pc2.vhdx.raw" bs=1M count=8 \
		conv=notrunc,fsync status=none
	write_samples
}

has_logged() {
	glue log --json | jq -e "select(.event == \"$1\")"
}

# is_version CLIENT NUMBER: its disk is on that version of win11.
is_version() {
	[ "$(parent "clients/$1.vhdx")" = "masters/win11@$2.vhdx" ]
}

# A day ago the store had twice its free space, and pc2's image was empty.
write_samples() {
	local before=$(($(date +%s) - 86400)) inode

	inode=$(stat -c %i "$scratch/store/clients/pc2.vhdx")
	{
		echo "store $before $(($(glue status --json | jq .free) * 2))"
		echo "clients/pc2.vhdx $inode $before 0"
	} >"$scratch/targets.conf.samples"
}

# Starts watch, which notes logins, and waits until it does.
start_watch() {
	tgt-glue --config "$scratch/fleet.conf" watch \
		>"$scratch/watch.log" 2>&1 &
	at_exit "kill $!"
	wait_until 30 test -e "$scratch/targets.conf.sessions"
}
