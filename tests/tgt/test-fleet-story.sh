#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The life of a fleet in one test: two rooms with a master each, a home disk for
# each client, to which the logged-in clients write all along, and a games disk with
# a master of its own.  In the middle of each command the worker of vhdfs is killed, and watch is started again.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"
. "${0%/*}/versions.sh"
. "${0%/*}/../supervise/supervise.sh"

declare -A load_pid=() # of the clients that are logged in
declare -A text=()     # what the sector of a client's system disk has
names=()
written=$(printf 'w%.0s' {1..512}) # by the initiator

# kind CLIENT: each room has clients of three kinds.
kind() {
	case $((${1:1} % 3)) in
	0) echo boot ;;
	1) echo keep ;;
	2) echo update ;;
	esac
}

# others NAME...: prints the clients without these.
others() {
	printf '%s\n' "${names[@]}" | grep -vxF "$(printf '%s\n' "$@")"
}

home_of() {
	echo "$mnt/disks/home/$1.vhdx.raw"
}

# configure [CLIENT...]: fleet.conf with all clients; these have the version
# under test.
configure() {
	local client

	{
		cat <<-END
			[fleet]
			store = $scratch/store
			mount = $mnt
			iqn-prefix = $iqn_prefix
			targets-file = $scratch/targets.conf
			control-port = $port
			[defaults]
			address = 127.0.0.1
			disks = home games
			[group room-a]
			match = a*
			master = masters/win11
			[group room-b]
			match = b*
			master = masters/linux
			[disk home]
			lun = 2
			size = 16M
			block-size = 1M
			thin = yes
			[disk games]
			lun = 3
			master = masters/games
		END
		for client in "${names[@]}"; do
			echo "[client $client]"
			case $(kind "$client") in
			boot) echo "reset = boot" ;;
			update) echo "update = reset" ;;
			esac
			[[ " $* " != *" $client "* ]] ||
				echo "master = masters/win11@test"
		done
	} >"$scratch/next.conf"
	# watch never reads a part of it.
	mv "$scratch/next.conf" "$scratch/fleet.conf"
}

keep_watch() {
	without_holder watch_in_background
}

watch_in_background() {
	tgt-glue --config "$scratch/fleet.conf" watch \
		>>"$scratch/watch.out" 2>&1 &
	watch_pid=$!
}

# end_watch [SIGNAL]
end_watch() {
	kill -"${1:-TERM}" "$watch_pid"
	wait "$watch_pid" || true
}

# amid COMMAND...: runs it; in its middle a worker dies and watch begins anew.
amid() {
	local step

	"$@" >"$scratch/step" 2>&1 &
	step=$!
	pause "0.0$((RANDOM % 10))"
	kill_worker "$mnt"
	end_watch $((RANDOM % 2 ? 9 : 15))
	keep_watch
	wait "$step" || fail "$*: exit status $?: $(cat "$scratch/step")"
	remark "$*: $(tail -n 1 "$scratch/step")"
}

# log_in CLIENT...: each begins to write to its home disk, and to check it.
log_in() {
	local client options

	for client; do
		# While its disk is changed it is not admitted.
		wait_until 30 is_open "$client"
		rm -f "$scratch/$client."{end,ready}
		options=()
		# Those of room-a write where their disks have space.
		[[ $client != a* ]] || options+=(-z)
		[ ! -e "$scratch/$client.events" ] ||
			options+=(-e "$scratch/$client.events")
		lun=2 load run -t 1 -s 100000 -p 0.02 "${options[@]}" \
			-u "$scratch/$client.end" \
			-w "$scratch/$client.ready" 1 \
			"$scratch/$client.record" "$(lun=2 url "$client")" \
			"$RANDOM" >"$scratch/$client.load" 2>&1 &
		load_pid[$client]=$!
	done
	for client; do
		wait_until 60 has_begun "$client"
		are_well "$client"
	done
}

has_begun() {
	[ -s "$scratch/$1.ready" ] || ! kill -0 "${load_pid[$1]}"
}

# are_well CLIENT...: none has seen an error up to now.
are_well() {
	local client

	for client; do
		kill -0 "${load_pid[$client]}" ||
			fail "$client: expected no error: $(cat "$scratch/$client.load")"
	done
}

# log_out CLIENT...: no client has seen an error, and each home disk has every
# write.
log_out() {
	local client

	for client; do
		: >"$scratch/$client.end"
	done
	for client; do
		wait "${load_pid[$client]}" ||
			fail "$client: $(cat "$scratch/$client.load")"
		unset "load_pid[$client]"
		load exact "$scratch/$client.record" "$(home_of "$client")" ||
			fail "$client: expected every write on its home disk"
	done
}

# use CLIENT...: logged-in clients write to their system disks.
use() {
	local client

	for client; do
		printf 'write 9\n' | initiator hold "$(url "$client")" \
			>"$scratch/used"
		has_line '^write 9: status 0' "$scratch/used"
		text[$client]=$written
	done
}

shows() {
	[ "$(disk "clients/$1.vhdx")" = "$2" ]
}

# games_show TEXT CLIENT...: their games disks have it.
games_show() {
	local client

	for client in "${@:2}"; do
		[ "$(disk "disks/games/$client.vhdx")" = "$1" ] || return 1
	done
}

# go_over TEXT CLIENT...: waits until their system disks have it.
go_over() {
	local client

	for client in "${@:2}"; do
		wait_until 60 shows "$client" "$1"
		text[$client]=$1
	done
}

# all_as_expected: the system disk of each client, and the clients that write.
all_as_expected() {
	local client

	are_well "${!load_pid[@]}"
	for client in "${names[@]}"; do
		equal "system disk of $client" "${text[$client]}" \
			"$(disk "clients/$client.vhdx")"
	done
}

agrees() {
	[ "$(glue status --json | jq .agrees)" = true ]
}

# put IMAGE TEXT: writes it to a master or to the disk of a logged-out client.
put() {
	write_disk "$1" "$2"
	[[ $1 != clients/* ]] || text[$(basename "$1" .vhdx)]=$2
}

begin() {
	local half=$(($1 / 2)) client master

	choose_calls
	requires_initiator
	requires jq
	requires_resend
	mnt=$scratch/mnt
	mapfile -t names < <(seq -f 'a%g' 1 $half && seq -f 'b%g' 1 $half)
	small_store $((200 + 60 * $1))M mkfs.ext4 -q -m 0 -F
	mkdir "$scratch/store/masters"
	mount_store "$scratch/store" "$mnt"
	# For a failure.
	at_exit tail -n 30 "$mnt.log" "$scratch/watch.out"
	for master in win11 linux games; do
		vhdfs-img create --size 64M "$scratch/store/masters/$master.vhdx"
		wait_until 5 test -s "$mnt/masters/$master.vhdx.raw"
		put "masters/$master.vhdx" "$master 1"
	done
	start_tgtd
	configure
	keep_watch
	at_exit end_watch KILL
	wait_until 60 agrees
	for client in "${names[@]}"; do
		head -c 16M /dev/zero | tr '\0' x |
			dd of="$(home_of "$client")" conv=notrunc,fsync bs=1M \
				iflag=fullblock status=none
		load record "$scratch/$client.record" "$(home_of "$client")" \
			"${client:1}"
		[[ $client = a* ]] && text[$client]="win11 1" ||
			text[$client]="linux 1"
	done
	log_in "${names[@]}"
	all_as_expected
}

publish_and_test() {
	log_out a1
	put clients/a1.vhdx "win11 2"
	amid glue publish a1 masters/win11 --note "second"
	use a2 a3
	all_as_expected
	configure a2 a3
	log_out a2 a3
	go_over "win11 2" a2 a3
	log_in a1 a2 a3
	all_as_expected
}

# Half of the clients are logged out when the versions move.
promote_both() {
	local out=() in=() client

	log_out b2
	put clients/b2.vhdx "linux 2"
	amid glue publish b2 masters/linux
	log_in b2
	for client in $(others a1 a2 a3 b2); do
		[ $((${client:1} % 2)) = 1 ] && [ "$client" != b3 ] &&
			out+=("$client") || in+=("$client")
	done
	log_out "${out[@]}"
	amid glue promote masters/win11
	amid glue promote masters/linux
	configure
	for client in "${out[@]}" ; do
		go_over "$(now_of "$client") 2" "$client"
	done
	all_as_expected # the others stay
	log_in "${out[@]}"
	log_out "${in[@]}"
	for client in "${in[@]}"; do
		go_over "$(now_of "$client") 2" "$client"
	done
	log_in "${in[@]}"
	all_as_expected
}

now_of() {
	[[ $1 = a* ]] && echo win11 || echo linux
}

# No client wrote to its games disk: each goes over when it is logged out.
new_games() {
	local in

	mapfile -t in < <(others a1 a2)
	log_out a1 a2
	write_disk disks/games/a1.vhdx "games 2"
	amid glue publish a1 masters/games
	amid glue promote masters/games
	wait_until 60 games_show "games 2" a1 a2
	all_as_expected
	games_show "games 1" "${in[@]}" ||
		fail "expected that the others stay"
	log_in a1 a2
	log_out "${in[@]}"
	wait_until 60 games_show "games 2" "${in[@]}"
	all_as_expected
	log_in "${in[@]}"
}

one_bad_version_and_back() {
	log_out a1
	put clients/a1.vhdx "win11 3"
	amid glue publish a1 masters/win11 --note bad
	amid glue promote masters/win11
	use a3
	log_out a3
	go_over "win11 3" a3
	log_in a3
	all_as_expected
	amid glue promote --back masters/win11
	log_out a3
	go_over "win11 2" a3
	log_in a3
	all_as_expected
	amid glue reset a1
	go_over "win11 2" a1
	all_as_expected
}

keep_and_undo() {
	local which

	put clients/a1.vhdx named
	amid glue keep a1
	all_as_expected
	put clients/a1.vhdx junk
	amid glue reset a1
	text[a1]=named
	all_as_expected
	which=$(glue disks --json a1 |
		jq -r '[.[] | select(.kind == "put-aside") | .which] | max')
	amid glue restore a1 "$which"
	text[a1]=junk
	all_as_expected
	log_in a1
}

# The initiator of hold_session writes to new blocks until one write fails.
fill_up() {
	local n

	! dd if=/dev/zero of="$scratch/store/filler" bs=64K status=none \
		2>"$scratch/filled" || fail "expected a full store"
	for ((n = 0; n < 130000; n += 4096)); do
		held write $n >"$scratch/answer"
		grep -q 'status 0' "$scratch/answer" || return 0
	done
	fail "expected a write that needs space to fail"
}

full_store() {
	local room_b

	mapfile -t room_b < <(printf '%s\n' "${names[@]}" | grep '^b')
	log_out "${room_b[@]}"
	hold_session a2
	fill_up
	amid glue status
	# A reset, on the full store.
	log_out a1
	amid glue reset a1
	text[a1]=named
	all_as_expected
	rm "$scratch/store/filler"
	works write 100000
	end_session
	text[a2]=$(disk clients/a2.vhdx)
	log_in a1 "${room_b[@]}"
	all_as_expected
}

another_name() {
	log_out b3
	go_over "linux 2" b3
	mapfile -t names < <(others b3 && echo b99)
	text[b99]=${text[b3]}
	configure
	amid glue rename b3 b99
	mv "$scratch/b3.record" "$scratch/b99.record"
	wait_until 30 is_open b99
	all_as_expected
	load exact "$scratch/b99.record" "$(home_of b99)"
	log_in b99
}

# Of a client that writes the backup has one moment; of one that does not,
# everything.
backup_and_second_store() {
	local from to second=$scratch/second

	log_out a2 b1
	load events "$scratch/a2.events" "$scratch/a2.record"
	log_in a2
	from=$(load now "$scratch/a2.events")
	amid glue backup "$scratch/backup"
	to=$(load now "$scratch/a2.events")
	all_as_expected
	mkdir "$second"
	mount_store "$second" "$second.mnt"
	sed -e "s|^store = .*|store = $second|; s|^mount = .*|mount = $second.mnt|" \
		-e "s|^targets-file = .*|&.second|; s|^control-port = .*|control-port = 32000|" \
		"$scratch/fleet.conf" >"$scratch/second.conf"
	tgt-glue --config "$scratch/second.conf" restore --from \
		"$scratch/backup" >"$scratch/restored" 2>&1 ||
		fail "restore: $(cat "$scratch/restored")"
	load exact "$scratch/b1.record" "$second.mnt/disks/home/b1.vhdx.raw"
	log_out a2
	load moment "$scratch/a2.events" "$scratch/a2.record" "$from" "$to" \
		"$second.mnt/disks/home/a2.vhdx.raw"
	(
		mnt=$second.mnt
		for client in "${names[@]}"; do
			equal "restored disk of $client" "${text[$client]}" \
				"$(dd if="$mnt/clients/$client.vhdx.raw" \
					bs=512 skip=9 count=1 status=none |
					tr -d '\0')"
		done
	)
	unmount "$second.mnt"
	rm -f "$scratch/a2.events"
	log_in a2 b1
}

# All are logged out when tgtd ends: it cannot keep sessions.
restart_servers() {
	upgrade "$mnt"
	all_as_expected
	log_out "${names[@]}"
	kill_tgtd
	start_tgtd
	wait_until 60 agrees
	log_in "${names[@]}"
	all_as_expected
	log_out "${names[@]}"
}

# over_iscsi: what the clients have in the end.
over_iscsi() {
	local client

	for client in "${names[@]}"; do
		qemu-img dd -O raw if="$(url "$client")" of="$scratch/read" \
			bs=512 skip=9 count=10 >/dev/null
		equal "system disk of $client" "${text[$client]}" \
			"$(tr -d '\0' <"$scratch/read")"
		qemu-img dd -O raw if="$(lun=3 url "$client")" of="$scratch/read" \
			bs=512 skip=9 count=10 >/dev/null
		equal "games of $client" "games 2" "$(tr -d '\0' <"$scratch/read")"
		qemu-img convert -O raw "$(lun=2 url "$client")" "$scratch/read"
		load exact "$scratch/$client.record" "$scratch/read"
	done
}

# left_over: prints unexplained files of the store.
left_over() {
	(cd "$scratch/store" && find . \
		\( -name '.*' -o -name '*.new' -o -name '*publishing*' \
		-o -name '*tgt-glue-backup*' -o -name 'filler*' \) \
		! -name . ! -name '.vhdfs-spare.*' ! -name '.*@back.vhdx' \
		! -path './clients/.[ab]*.vhdx.[0-9]*T*Z')
}

end() {
	local image status=0

	wait_until 60 agrees
	# It would reset clients with reset = boot between the sessions.
	kill "$watch_pid"
	wait "$watch_pid" || status=$?
	equal "exit status of watch" 0 "$status"
	expect 0 glue apply
	over_iscsi
	all_as_expected
	expect 0 glue status
	did '^all is as fleet.conf says$'
	expect 0 glue check
	expect 0 glue orphans --json
	equal "orphans" "[]" "$(jq -c . "$scratch/stdout")"
	end_tgtd
	equal "left over" "" "$(left_over)"
	unmount "$mnt"
	while read -r image; do
		vhdfs-img check --store "$scratch/store" "$image" \
			>"$scratch/checked" ||
			fail "$image: $(cat "$scratch/checked")"
	done < <(find "$scratch/store" -name '*.vhdx*' -type f \
		! -name '.vhdfs-spare.*')
}

test_fleet_keeps_every_byte_through_its_life() {
	local step

	begin "$([ -n "${VHDFS_LONG:-}" ] && echo 30 || echo 6)"
	for step in publish_and_test promote_both new_games \
		one_bad_version_and_back keep_and_undo full_store another_name \
		backup_and_second_store restart_servers end; do
		echo "step $step, at $SECONDS s"
		"$step"
	done
}

run_tests
