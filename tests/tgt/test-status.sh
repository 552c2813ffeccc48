#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# status: the table, JSON and Prometheus.
. "${0%/*}/../lib.sh"
. "${0%/*}/tgt.sh"

# field CLIENT KEY: prints a value of status --json.
field() {
	glue status --json |
		jq -r ".clients[] | select(.name == \"$1\") | .\"$2\""
}

# shows PATTERN: expects a line of standard output.
shows() {
	grep -Eq -e "$1" "$scratch/stdout" ||
		fail "expected a line '$1', found: $(cat "$scratch/stdout")"
}

test_target_is_missing_before_apply_and_ok_after() {
	start_server
	write_fleet pc1 </dev/null
	equal "target" missing "$(field pc1 target)"
	equal "child" missing "$(field pc1 child-state)"
	equal "agrees" false "$(field pc1 agrees)"
	expect 0 glue apply
	equal "target" ok "$(field pc1 target)"
	equal "child" ready "$(field pc1 child-state)"
	equal "agrees" true "$(field pc1 agrees)"
	equal "iqn" "$iqn_prefix:pc1" "$(field pc1 iqn)"
	equal "master" masters/win11.vhdx "$(field pc1 master)"
	equal "view" "$scratch/mnt/clients/pc1.vhdx.raw" "$(field pc1 view)"
	expect 0 glue status
	shows '^masters/win11.vhdx$'
	shows '^  pc1 +ok '
	shows '^all is as fleet.conf says$'
}

test_sessions_are_listed() {
	requires_initiator
	apply_fleet pc1 pc2
	hold_session pc1
	equal "address" 127.0.0.1 \
		"$(field pc1 sessions | jq -r '.[0].address')"
	equal "initiator" "$iqn_prefix:initiator" \
		"$(field pc1 sessions | jq -r '.[0].initiator')"
	equal "sessions of pc2" 0 "$(field pc2 sessions | jq length)"
	expect 0 glue status
	shows '^  pc1 .* 127.0.0.1 '
	shows '^  pc2 .* - '
	shows '^2 clients, 1 logged in; '
	end_session
}

# Only a line of the same session gives it a login time.
test_session_has_the_time_that_watch_saved() {
	local sid now

	requires_initiator
	apply_fleet pc1
	hold_session pc1
	equal "without watch" null "$(field pc1 sessions | jq '.[0].since')"
	expect 0 glue status
	shows '^  pc1 .* 127.0.0.1 +[?] '
	sid=$(field pc1 sessions | jq '.[0].session')
	now=$(date +%s)
	{
		echo "$iqn_prefix:pc1 $iqn_prefix:initiator 127.0.0.1 $((sid + 1)) 5"
		echo "nonsense"
		echo "$iqn_prefix:pc1 $iqn_prefix:initiator 127.0.0.1 $sid $now"
	} >"$scratch/targets.conf.sessions"
	equal "since" "$now" "$(field pc1 sessions | jq '.[0].since')"
	expect 0 glue status
	shows '^  pc1 .* 127.0.0.1 +[0-9]+s '
	# A time before the start of tgtd belongs to an earlier session.
	sed -i "s/ $now\$/ $((now - 100000))/" "$scratch/targets.conf.sessions"
	equal "before tgtd" null "$(field pc1 sessions | jq '.[0].since')"
	end_session
}

traffic() {
	field pc1 sessions | jq ".[0].\"$1\""
}

test_traffic_of_a_session_is_shown() {
	requires_initiator
	requires qemu-io
	apply_fleet pc1 pc2
	mkfifo "$scratch/commands"
	qemu-io -f raw "$(url pc1)" <"$scratch/commands" >/dev/null 2>&1 &
	at_exit kill $!
	exec {commands}>"$scratch/commands"
	echo 'write 0 3M' >&"$commands"
	wait_until 10 wrote_all
	echo 'read 0 5M' >&"$commands"
	wait_until 10 read_all
	[ "$(traffic write-commands)" -ge 1 ] ||
		fail "expected at least 1 write command"
	[ "$(traffic read-commands)" -ge 1 ] ||
		fail "expected at least 1 read command"
	expect 0 glue status
	shows '^  pc1 .* 5.0M +3.0M$'
	shows '^  pc2 .* - +- +-$'
	expect 0 glue status --prometheus
	shows "^tgt_glue_client_written_bytes_total.client=.pc1.. $((3 << 20))\$"
	shows "^tgt_glue_client_written_bytes_total.client=.pc2.. 0\$"
	exec {commands}>&-
}

wrote_all() {
	[ "$(traffic written-bytes)" = $((3 << 20)) ]
}

# At least that many: qemu-io has read from the disk before.
read_all() {
	[ "$(traffic read-bytes)" -ge $((5 << 20)) ]
}

# A block has 2 MiB.  Half of the third and half of the fourth block is written.
test_blocks_with_own_data_are_counted() {
	local format

	start_server 20M --format vhdx
	vhdfs-img create --size 20M --format vhd \
		"$scratch/store/masters/old.vhd"
	write_fleet <<-END
		[client vhdx]
		[client vhd]
		master = masters/old
	END
	expect 0 glue apply
	for format in vhdx vhd; do
		equal "blocks" "0 10" "$(field $format blocks) $(field $format \
			blocks-total)"
		dd if=/dev/urandom bs=1M count=2 seek=5 conv=notrunc,fsync \
			of="$scratch/mnt/clients/$format.$format.raw" status=none
		equal "blocks" "2 10" "$(field $format blocks) $(field $format \
			blocks-total)"
	done
	expect 0 glue status
	shows '^  vhdx .* 20.0%  '
}

test_disk_use_is_the_allocated_size() {
	apply_fleet pc1
	dd if=/dev/urandom of="$scratch/mnt/clients/pc1.vhdx.raw" bs=1M count=8 \
		conv=notrunc,fsync status=none
	equal "disk use" \
		"$((512 * $(stat -c %b "$scratch/store/clients/pc1.vhdx")))" \
		"$(field pc1 disk-use)"
	[ "$(field pc1 disk-use)" -ge $((8 << 20)) ] ||
		fail "expected disk-use of at least 8 MiB"
}

test_differences_are_shown() {
	apply_fleet pc1
	echo "thin = yes" >>"$scratch/fleet.conf"
	equal "target" differs "$(field pc1 target)"
	field pc1 difference | grep -q 'expected UNMAP, found none'
	expect 0 glue status
	shows '^    disk: expected UNMAP, found none'
	shows '^1 not as fleet.conf says; '
	equal "agrees" false "$(glue status --json | jq .agrees)"
	# A secret that is not applied yet; tgtd does not print secrets.
	sed -i 's/^thin.*/secret = secretsecret1/' "$scratch/fleet.conf"
	expect 0 glue apply
	equal "target" ok "$(field pc1 target)"
	sed -i 's/secretsecret1/secretsecret2/' "$scratch/fleet.conf"
	equal "target" differs "$(field pc1 target)"
}

test_removed_client_is_an_extra_target() {
	apply_fleet pc1 pc2
	write_fleet pc1 </dev/null
	equal "extra" "$iqn_prefix:pc2" \
		"$(glue status --json | jq -r '.extra[]')"
	expect 0 glue status
	shows '^\(not in fleet.conf\)$'
	shows '^  pc2 +extra '
}

test_warns_below_min_free() {
	start_server
	write_fleet pc1 </dev/null
	expect 0 glue status
	[ ! -s "$scratch/stderr" ] ||
		fail "expected no message, found: $(cat "$scratch/stderr")"
	sed -i 's/^mount/min-free = 100%\n&/' "$scratch/fleet.conf"
	expect 0 glue status
	grep -Eq 'warning: .*/store: .* free, expected at least ' \
		"$scratch/stderr"
}

test_tgtd_that_does_not_answer_fails() {
	make_store
	port=$(free_port)
	write_fleet pc1 </dev/null
	expect 1 glue status --json
	equal "target" unknown "$(jq -r '.clients[0].target' "$scratch/stdout")"
	equal "tgtd" false "$(jq .tgtd "$scratch/stdout")"
	grep -q 'no tgtd answers' "$scratch/stderr"
}

test_table_fits_79_columns() {
	requires_initiator
	start_server
	vhdfs-img create --size 64M "$scratch/store/masters/other.vhdx"
	write_fleet pc017 workstation-of-the-second-floor-12 <<-END
		[client wrong]
		secret = secretsecret1
	END
	expect 0 glue apply
	sed -i 's/^secret = .*/thin = yes\nreadonly = yes\naddress = 10.0.0.1\nmaster = masters\/other/' \
		"$scratch/fleet.conf"
	hold_session workstation-of-the-second-floor-12
	expect 0 glue status
	awk 'length > 79' "$scratch/stdout" | grep . && fail "expected lines of at most 79 columns"
	shows '^  workstation-of-the-second-floor-12$'
	shows '^    its image clients/wrong.vhdx: parent: expected'
	# The clients of one master form a group.
	equal "masters" "masters/win11.vhdx masters/other.vhdx" \
		"$(grep ^masters "$scratch/stdout" | paste -sd ' ')"
	end_session
}

# HELP and TYPE are printed once and before the samples, no sample is printed
# twice, labels are escaped, and values are numbers.
test_prometheus_format_is_valid() {
	apply_fleet pc1 pc2
	expect 0 glue status --prometheus
	awk '
		/^# HELP [a-z_]+ ./ { help[$3]++; next }
		/^# TYPE [a-z_]+ (gauge|counter)$/ { type[$3] = help[$3]; next }
		{
			name = $0
			sub(/[{ ].*/, "", name)
			if (!/^[a-z_]+({([a-z]+="([^"\\\n]|\\[\\n"])*",?)+})? [0-9.e+]+$/)
				print "not a sample: " $0
			if (type[name] != 1)
				print "without HELP and TYPE: " $0
			if (seen[substr($0, 1, length($0) - length($NF))]++)
				print "twice: " $0
		}' "$scratch/stdout" >"$scratch/wrong"
	[ ! -s "$scratch/wrong" ] ||
		fail "expected the format of Prometheus, found: $(cat "$scratch/wrong")"
	shows '^tgt_glue_tgtd_up 1$'
	shows '^tgt_glue_agrees 1$'
	shows '^tgt_glue_client_agrees.client="pc2". 1$'
	shows '^tgt_glue_client_info.client="pc1",iqn="[^"]*:pc1",master="masters/win11.vhdx". 1$'
	equal "clients" 2 "$(grep -c ^tgt_glue_client_disk_use_bytes \
		"$scratch/stdout")"
}

# An exit on failure would keep the old file, and raise no alert.
test_prometheus_reports_a_missing_tgtd() {
	make_store
	port=$(free_port)
	write_fleet pc1 </dev/null
	expect 0 glue status --prometheus
	shows '^tgt_glue_tgtd_up 0$'
	shows '^tgt_glue_client_agrees.client="pc1". 0$'
	! grep '^tgt_glue_client_sessions' "$scratch/stdout" ||
		fail "expected no metric of sessions"
}

test_json_and_prometheus_exclude_each_other() {
	make_store
	write_fleet pc1 </dev/null
	expect_error 2 "expected --json or --prometheus, found both" \
		glue status --json --prometheus
}

test_status_of_256_clients_is_complete() {
	local few

	requires strace
	apply_fleet pc1
	few=$(requests_of status)
	write_fleet $(seq -f 'pc%g' 1 256) </dev/null
	expect 0 glue apply
	equal "requests to tgtd for 256 clients" "$few" "$(requests_of status)"
	expect 0 glue status
	equal "rows" 256 "$(grep -c '^  pc[0-9]* *ok ' "$scratch/stdout")"
}

test_secrets_are_not_shown() {
	start_server
	write_fleet <<-END
		[client pc1]
		secret = secretsecret1
	END
	expect 0 glue apply
	glue status --json >"$scratch/all"
	glue status >>"$scratch/all"
	glue status --prometheus >>"$scratch/all"
	! grep secretsecret "$scratch/all" ||
		fail "expected no secret in the output"
}

# Writes 8 MiB to the disk of pc1.
fill_disk() {
	dd if=/dev/urandom of="$scratch/mnt/clients/pc1.vhdx.raw" bs=1M count=8 \
		conv=notrunc,fsync status=none
}

# sample AGE FREE BYTES: a sample of the store and of pc1's image, by watch.
sample() {
	local now

	now=$(date +%s)
	{
		echo "store $((now - $1)) $2"
		echo "clients/pc1.vhdx $(stat -c %i "$scratch/store/clients/pc1.vhdx") $((now - $1)) $3"
	} >"$scratch/targets.conf.samples"
}

test_growth_and_days_until_full_follow_from_samples() {
	local use free

	apply_fleet pc1 pc2
	fill_disk
	use=$(field pc1 disk-use)
	equal "growth without samples" null "$(field pc1 growth)"
	# A day ago the image was empty, and the store had twice its free space.
	free=$(glue status --json | jq .free)
	sample 86400 $((free * 2)) 0
	within "growth" "$(field pc1 growth)" "$use"
	equal "growth of pc2" null "$(field pc2 growth)"
	within "days" "$(glue status --json | jq '."days-until-full" * 1000')" 1000
	expect 0 glue status
	shows '^pc1 grows by [0-9.]+M a day$'
	shows '^the store is full in 1 days at the pace'
	awk 'length > 79' "$scratch/stdout" | grep . &&
		fail "expected lines of at most 79 columns"
	expect 0 glue status --prometheus
	shows '^tgt_glue_client_growth_bytes_per_day.client="pc1". [0-9]'
	shows '^tgt_glue_store_days_until_full [0-9.]'
	# Free space that grows, and an image that was replaced.
	sample 86400 0 0
	sed -i 's/^clients\/pc1.vhdx [0-9]*/clients\/pc1.vhdx 1/' \
		"$scratch/targets.conf.samples"
	equal "growth of another image" null "$(field pc1 growth)"
	equal "days" null "$(glue status --json | jq '."days-until-full"')"
	# A minute says nothing.
	sample 60 $((free * 2)) 0
	equal "growth in a minute" null "$(field pc1 growth)"
}

# The homes are what grows.
test_growth_of_a_data_disk_is_shown() {
	start_server
	write_fleet pc1 pc2 <<-END
		[defaults]
		disks = home
		[disk home]
		lun = 2
		size = 20M
	END
	expect 0 glue apply
	dd if=/dev/urandom of="$scratch/mnt/disks/home/pc2.vhdx.raw" bs=1M \
		count=8 conv=notrunc,fsync status=none
	sample 86400 $((1 << 50)) 1
	image=disks/home/pc2.vhdx
	echo "$image $(stat -c %i "$scratch/store/$image") $(($(date +%s) - 86400)) 0" \
		>>"$scratch/targets.conf.samples"
	growth() {
		glue status --json |
			jq -r ".clients[] | select(.name == \"$1\").disks[0].growth"
	}
	within "growth" "$(growth pc2)" \
		"$(($(stat -c %b "$scratch/store/$image") * 512))"
	equal "growth of pc1's" null "$(growth pc1)"
	expect 0 glue status
	equal "growth" "pc2: disk home" "$(sed -n 's/ grows by .*//p' \
		"$scratch/stdout" | paste -sd ' ')"
	expect 0 glue status --prometheus
	shows '^tgt_glue_client_growth_bytes_per_day.client="pc2",disk="home". [0-9]'
}

# within SUBJECT FOUND EXPECTED: within a tenth; other files of the file system
# change its free space.
within() {
	awk -v a="$2" -v b="$3" 'BEGIN { exit !(a > b * 0.9 && a < b * 1.1) }' ||
		fail "$1: expected about $3, found $2"
}

# A panel of a metric that does not exist would be empty, and nothing tells it.
test_metrics_of_the_dashboard_exist() {
	apply_fleet pc1
	sample 86400 $((1 << 60)) 0
	glue status --prometheus |
		sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' | sort >"$scratch/metrics"
	jq -r '.panels[].targets[].expr' \
		"$top_srcdir/contrib/grafana/tgt-glue.json" |
		grep -Eo 'tgt_glue_[a-z_]+' | sort -u >"$scratch/shown"
	[ "$(wc -l <"$scratch/shown")" -ge 20 ] ||
		fail "expected the metrics of all panels"
	comm -13 "$scratch/metrics" "$scratch/shown" >"$scratch/unknown"
	[ ! -s "$scratch/unknown" ] ||
		fail "expected known metrics, found: $(cat "$scratch/unknown")"
}

test_groups_of_a_client_are_shown() {
	start_server
	write_fleet pc1 pc2 <<-END
		[group room]
		match = pc*
		[group first]
		match = pc1
	END
	equal "pc1" '["room","first"]' "$(field pc1 groups | jq -c .)"
	equal "pc2" '["room"]' "$(field pc2 groups | jq -c .)"
}

test_size_of_each_disk_is_shown() {
	start_server 20M
	write_fleet pc1 <<-END
		[disk home]
		lun = 2
		size = 30M
	END
	sed -i '/^\[defaults\]/a disks = home' "$scratch/fleet.conf"
	equal "unknown" null "$(field pc1 disk-size)"
	expect 0 glue apply
	equal "system disk" $((20 << 20)) "$(field pc1 disk-size)"
	equal "data disk" $((30 << 20)) "$(field pc1 disks |
		jq '.[0]."disk-size"')"
}

shows_watch() {
	[ "$(glue status --json | jq .watch)" = "$1" ]
}

# Also one that was killed; and a reader does not take the lock from it.
test_whether_watch_runs_is_shown() {
	apply_fleet pc1
	shows_watch false || fail "expected no watch"
	tgt-glue --config "$scratch/fleet.conf" watch >"$scratch/watch.out" 2>&1 &
	watch_pid=$!
	at_exit 'kill -9 $watch_pid; wait $watch_pid || true'
	wait_until 10 shows_watch true
	shows_watch true || fail "expected the watch that status saw before"
	kill -9 "$watch_pid"
	wait "$watch_pid" || true
	shows_watch false || fail "expected no watch after its death"
}

test_watch_takes_samples() {
	apply_fleet pc1
	tgt-glue --config "$scratch/fleet.conf" watch >"$scratch/watch.out" 2>&1 &
	watch_pid=$!
	at_exit 'kill $watch_pid; wait $watch_pid'
	wait_until 10 test -s "$scratch/targets.conf.samples"
	grep -Eqx "store [0-9]+ [0-9]+" "$scratch/targets.conf.samples"
	grep -Eqx "clients/pc1.vhdx $(stat -c %i "$scratch/store/clients/pc1.vhdx") [0-9]+ [0-9]+" \
		"$scratch/targets.conf.samples"
	kill "$watch_pid"
	wait "$watch_pid"
}

# of_kind KIND: prints the space that these images take.
of_kind() {
	glue status --json | jq ".images[\"$1\"]"
}

# size_of FILE...: prints the space that they take.
size_of() {
	stat -c %b "$@" | awk '{ n += $1 } END { print n * 512 }'
}

test_space_of_all_images_is_counted() {
	local store=$scratch/store clients=$scratch/store/clients
	local n='[0-9.]*[KM]'

	apply_fleet pc1 pc2 pc9
	use_disk pc1 monday
	expect 0 glue snapshot monday pc1
	use_disk pc1 kept
	expect 0 glue keep pc1
	use_disk pc1 old
	expect 0 glue reset pc1
	write_fleet pc1 pc2 </dev/null
	expect 0 glue apply
	cp "$store/masters/win11.vhdx" "$store/masters/win11@2.vhdx"
	vhdfs-img create --size 1M "$clients/pc2.vhd"
	equal "present" "$(size_of "$clients"/pc[12].vhdx)" "$(of_kind present)"
	equal "put aside" "$(size_of "$clients"/.pc1.vhdx.*Z)" \
		"$(of_kind put-aside)"
	equal "kept" "$(size_of "$clients"/pc1@kept-1.vhdx)" "$(of_kind kept)"
	equal "snapshots" "$(size_of "$clients"/pc1@monday.vhdx)" \
		"$(of_kind snapshots)"
	equal "unused" "$(size_of "$clients"/pc2.vhd)" "$(of_kind unused)"
	equal "masters" "$(size_of "$store"/masters/win11*.vhdx)" \
		"$(of_kind masters)"
	equal "orphans" "1 $(size_of "$clients"/pc9.vhdx)" \
		"$(glue status --json | jq -r '.orphans | "\(.images) \(.size)"')"
	glue status --prometheus >"$scratch/metrics"
	has_line "^tgt_glue_images_bytes{kind=\"kept\"} $(of_kind kept)\$" \
		"$scratch/metrics"
	has_line '^tgt_glue_orphan_images 1$' "$scratch/metrics"
	has_line "^tgt_glue_orphan_images_bytes $(size_of "$clients"/pc9.vhdx)\$" \
		"$scratch/metrics"
	expect 0 glue status
	shows '^2 clients, 0 logged in; images take [0-9.]+[KM], .* are free$'
	tr -s '\n ' ' ' <"$scratch/stdout" >"$scratch/line"
	has_line "free disks of the clients $n, put aside $n, kept $n, snapshots $n, not in use $n, masters $n 1 image belongs" \
		"$scratch/line"
}

test_quota_is_shown() {
	apply_fleet pc1
	fill_disk
	equal "quota" null "$(field pc1 quota)"
	setfattr -n user.vhdfs.quota -v 1G "$scratch/mnt/clients/pc1.vhdx.raw"
	equal "quota" $((1 << 30)) "$(field pc1 quota)"
	expect 0 glue status
	! grep quota "$scratch/stdout" || fail "expected no note of a quota"
	setfattr -n user.vhdfs.quota -v 8M "$scratch/mnt/clients/pc1.vhdx.raw"
	expect 0 glue status
	shows '^    its image takes [0-9.]+M of its quota of 8.0M$'
	expect 0 glue status --prometheus
	shows "^tgt_glue_client_quota_bytes.client=\"pc1\". $((8 << 20))\$"
}

test_warns_of_several_writers() {
	start_server
	requires_initiator
	write_fleet pc1 <<-END
		[client pc2]
		readonly = yes
	END
	expect 0 glue apply
	hold_session pc1
	expect 0 glue status
	! grep -i writer "$scratch/stdout" "$scratch/stderr" ||
		fail "expected no warning for one writer"
	mkfifo "$scratch/second" "$scratch/third"
	initiator -i iqn.2026-01.lan:second hold "$(url pc1)" \
		<"$scratch/second" >"$scratch/second.out" {holder}>&- &
	local second=$!
	exec {second_fd}>"$scratch/second"
	wait_until 30 grep -q ready "$scratch/second.out"
	expect 0 glue status
	grep -q 'several writers: expected one session' "$scratch/stdout"
	grep -q 'warning: pc1: 2 sessions can write' "$scratch/stderr"
	for name in "$iqn_prefix:initiator" iqn.2026-01.lan:second; do
		grep -q "found .*$name from 127.0.0.1[:,]" "$scratch/stderr" ||
			fail "expected a warning with $name"
	done
	equal "initiators" 2 "$(field pc1 initiators 2>/dev/null)"
	equal "writers" "2 0" "$(glue status --json 2>/dev/null |
		jq -r '.clients[].writers' | paste -sd ' ')"
	glue status --prometheus 2>/dev/null |
		grep -x 'tgt_glue_client_writers{client="pc1"} 2' >/dev/null ||
		fail "expected a metric of several writers"
	exec {second_fd}>&-
	wait "$second" || true
	end_session
}

run_tests
