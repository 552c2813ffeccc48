# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The library of the shell tests: it runs the functions of a test script and prints
# TAP.  A test script sources this file, defines functions whose names begin with
# test_, and ends with the line "run_tests":
#
#     #!/bin/bash
#     # SPDX-License-Identifier: GPL-2.0-or-later
#     . "${0%/*}/../lib.sh"
#
#     test_copy_is_equal() {
#             echo hello >"$scratch/a"
#             cp "$scratch/a" "$scratch/b"
#             cmp "$scratch/a" "$scratch/b" || fail "the copy differs"
#     }
#
#     run_tests
#
# and is added to a list in tests/local.mk.  It prints a line of TAP for each
# function, in the order of the source.  By hand:
#
#     tests/img/test-create.sh [FUNCTION...]
#
# The environment variable top_builddir names the build directory if that is
# neither the source directory nor "build" in it.
#
# Each function runs in a process of its own, with set -e, an empty directory
# $scratch and an empty standard input.  A limit of $test_timeout seconds detects a
# hang.  A function fails if it returns non-zero; run_tests then prints its output.
# For root each function has a mount namespace of its own: otherwise a namespace
# that another test creates meanwhile would keep a copy of its mounts, and a mount
# is served until its last copy is unmounted.
#
# Starting processes takes most of the suite's time, so the functions below use
# builtins of the shell where possible.

top_srcdir=${top_srcdir:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
if [ -z "${top_builddir:-}" ]; then
	top_builddir=$top_srcdir
	[ ! -f "$top_srcdir/build/config.status" ] ||
		top_builddir=$top_srcdir/build
fi
export top_srcdir top_builddir
# With VHDFS_INSTALLED the tests use the programs in PATH, as a package installs
# them; only the programs of the tests come from the build.
if [ -n "${VHDFS_INSTALLED:-}" ]; then
	PATH=$top_builddir/tests/tools:$PATH
else
	PATH=$top_builddir/tests/tools:$top_builddir/vhdfs:$top_builddir/tgt-glue:$top_builddir:$PATH
fi
export PATH
# The directory with the sample images, in samples/.
export VHDFS_SHARED=${VHDFS_SHARED:-$top_srcdir/../shared}
export LC_ALL=C

test_timeout=${VHDFS_TEST_TIMEOUT:-1200}

# Functions for tests.  A function that checks a condition ends the test as failed
# if the condition is false.

fail() {
	echo "$*" >&2
	exit 1
}

# skip REASON: ends the test as skipped; outside a test, the whole script.
skip() {
	if [ -z "${lib_dir:-}" ]; then
		echo "1..0 # SKIP $*"
		exit 0
	fi
	echo "$*" >"$lib_dir/skip"
	exit 77
}

# requires PROGRAM...: skips unless PATH has all these programs.
requires() {
	local program

	for program; do
		command -v "$program" >/dev/null || skip "no $program"
	done
}

requires_root() {
	[ "$EUID" = 0 ] || skip "not root"
}

# make_user_directory DIRECTORY: creates it; it belongs to a user other than root.
make_user_directory() {
	requires_root
	requires setpriv
	chmod 755 "$lib_dir" "$scratch"
	mkdir -p "$1"
	chown 65534:65534 "$1"
}

# as_user COMMAND...: runs the command as that user.
as_user() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

requires_fuse() {
	requires_root
	requires fusermount3
	[ -c /dev/fuse ] || skip "no /dev/fuse"
}

# at_exit COMMAND: runs the command when the test ends, passed, failed or
# interrupted.  Several commands run in reverse order.
at_exit() {
	lib_at_exit=("$*" "${lib_at_exit[@]}")
}

# expect STATUS COMMAND...: runs the command, with its output in $scratch/stdout
# and $scratch/stderr; fails unless it exits with that status.
expect() {
	local want=$1 status=0

	shift
	"$@" >"$scratch/stdout" 2>"$scratch/stderr" || status=$?
	[ "$status" = "$want" ] && return
	cat "$scratch/stdout" "$scratch/stderr"
	fail "$*: expected exit status $want, got $status"
}

# expect_error STATUS PATTERN COMMAND...: as expect; fails unless the output of the
# command is exactly one line on standard error that matches the pattern.
expect_error() {
	local want=$1 pattern=$2 lines

	shift 2
	expect "$want" "$@"
	[ ! -s "$scratch/stdout" ] || fail "$*: expected no standard output," \
		"got: $(head -n 3 "$scratch/stdout")"
	mapfile -t lines <"$scratch/stderr"
	[ ${#lines[@]} = 1 ] ||
		fail "$*: expected one line of error, got: ${lines[*]}"
	[[ ${lines[0]} =~ $pattern ]] ||
		fail "$*: expected an error that matches '$pattern', got:" \
			"${lines[0]}"
}

# equal SUBJECT EXPECTED FOUND: fails unless both values are equal; the message
# names the subject.
equal() {
	[ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
}

# has_line [OPTION...] PATTERN FILE: expects that a line of the file matches; the
# options are grep's.
has_line() {
	grep -q "$@" || fail "${*: -1}: expected a line that matches" \
		"'${*: -2:1}', found: $(tail -n 100 "${*: -1}")"
}

# has_no_line [OPTION...] PATTERN FILE: expects that no line of the file matches.
has_no_line() {
	! grep -q "$@" || fail "${*: -1}: expected no line that matches" \
		"'${*: -2:1}', found: $(tail -n 100 "${*: -1}")"
}

# wait_until SECONDS COMMAND...: repeats the command until it succeeds.  The limit
# detects a hang; it is at least $hang_seconds, as a busy machine is slow.
hang_seconds=${VHDFS_HANG_SECONDS:-300}
wait_until() {
	local limit=$(($1 > hang_seconds ? $1 : hang_seconds))
	local end=$((SECONDS + limit))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -le "$end" ] ||
			fail "expected success within $limit s of: $*"
		pause 0.05
	done
}

# pause SECONDS: sleeps without starting a process.
pause() {
	read -rt "$1" <>"$lib_dir/idle" || true
}

# Prints a TCP port of 127.0.0.1 on which no process listens.
free_port() {
	local port

	while :; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

# sha256_of FILE: prints the hash of a file, or of standard input for "-".
sha256_of() {
	local file=$1

	[ "$file" != - ] || file=/dev/stdin
	# openssl is several times as fast; some disks have ten gigabytes.
	if command -v openssl >/dev/null; then
		openssl dgst -sha256 -r "$file" | cut -d ' ' -f 1
	else
		sha256sum "$file" | cut -d ' ' -f 1
	fi
}

# remark TEXT: prints a line, such as a figure, even if the test passes.
remark() {
	echo "$*" >>"$lib_dir/remarks"
}

size_of() {
	stat -L -c %s "$1"
}

# unpack_sample NAME [DIRECTORY]: unpacks a sample image into the directory, or
# into $scratch; skips without the samples.
unpack_sample() {
	[ -f "$VHDFS_SHARED/samples/$1.xz" ] || skip "no sample images"
	xz -dc "$VHDFS_SHARED/samples/$1.xz" >"${2:-$scratch}/$1"
}

# Prints the lines of the samples' MANIFEST: name, size, hash of the disk or "-" if
# it is all zeros, origin; separated by tabs.
sample_manifest() {
	[ -f "$VHDFS_SHARED/samples/MANIFEST" ] || skip "no sample images"
	cat "$VHDFS_SHARED/samples/MANIFEST"
}

# mount_store STORE MOUNTPOINT [OPTION...]: starts vhdfs in the foreground, as a
# child of the test, and waits for the mount.  Its messages go to MOUNTPOINT.log,
# its process ID to ${mount_pid[MOUNTPOINT]}.  The end of the test unmounts it.
declare -A mount_pid=()
mount_store() {
	local store=$1 mnt=$2

	shift 2
	requires_fuse
	mkdir -p "$mnt"
	vhdfs "$store" "$mnt" -f "$@" >"$mnt.log" 2>&1 &
	mount_pid[$mnt]=$!
	at_exit lib_end_mount "$mnt"
	wait_until 10 lib_mounted_or_ended "$mnt"
	lib_is_mounted "$mnt" ||
		fail "expected a mount on $mnt, vhdfs said: $(cat "$mnt.log")"
}

# unmount MOUNTPOINT: unmounts a mount of mount_store, and expects that vhdfs exits
# with 0.
unmount() {
	local status=0

	umount "$1"
	wait "${mount_pid[$1]}" || status=$?
	unset "mount_pid[$1]"
	[ "$status" = 0 ] || fail "vhdfs on $1: expected exit status 0, found" \
		"$status: $(cat "$1.log")"
}

lib_mounted_or_ended() {
	lib_is_mounted "$1" || ! kill -0 "${mount_pid[$1]}"
}

# Sets $lib_mounts to the mount points of this namespace, without escapes.
lib_list_mounts() {
	local lines line

	mapfile -t lines </proc/self/mounts
	lib_mounts=()
	for line in "${lines[@]}"; do
		line=${line#* }
		line=${line%% *}
		printf -v line %b "${line//\\/\\0}"
		lib_mounts+=("$line")
	done
}

lib_is_mounted() {
	local dir

	lib_list_mounts
	for dir in "${lib_mounts[@]}"; do
		[ "$dir" != "$1" ] || return 0
	done
	# The mount table may name the directory by another path.
	mountpoint -q "$1"
}

lib_end_mount() {
	[ -n "${mount_pid[$1]:-}" ] || return 0
	# umount fails on a busy mount and on one whose server has died.
	umount "$1" 2>/dev/null || lib_unmount_below "$1"
	kill "${mount_pid[$1]}" 2>/dev/null
	wait "${mount_pid[$1]}"
}

# lib_unmount_below DIRECTORY: unmounts all mounts on and below a directory of the
# test, the last ones first: also busy mounts, and mounts whose server has died,
# on which stat fails.
lib_unmount_below() {
	local i dir

	lib_list_mounts
	for ((i = ${#lib_mounts[@]} - 1; i >= 0; i--)); do
		dir=${lib_mounts[i]}
		[[ $dir/ != "$1"/* ]] || umount -l "$dir"
	done
}

# From here on: run_tests and its parts.

lib_at_exit=()

lib_clean_up() {
	local command

	trap - EXIT ERR
	trap '' INT TERM
	set +e
	for command in "${lib_at_exit[@]}"; do
		eval "$command"
	done
	cd /
	lib_unmount_below "$scratch"
	rm -rf --one-file-system "$scratch"
}

# Sets $lib_unshare to the command that gives a test a mount namespace, if that
# command works here.
lib_choose_namespace() {
	lib_unshare=()
	[ "$EUID" != 0 ] || ! unshare --mount true 2>/dev/null ||
		lib_unshare=(unshare --mount)
}

# Kills the processes that a killed test has left in its mount namespace.
lib_end_namespace() {
	local process

	[ ${#lib_unshare[@]} != 0 ] && [ -s "$lib_dir/namespace" ] || return 0
	find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/mnt' \
		-lname "$(cat "$lib_dir/namespace")" 2>/dev/null |
		while IFS=/ read -r _ _ process _; do
			kill -KILL "$process" 2>/dev/null || true
		done
}

# Runs one test, in the process of this test.
lib_run_one() {
	scratch=$lib_dir/$LIB_NUMBER
	export LOGS_DIRECTORY=$scratch # of fleet.log
	mkdir "$scratch"
	readlink /proc/self/ns/mnt >"$lib_dir/namespace"
	trap 'exit 143' INT TERM
	trap 'lib_status=$?; lib_clean_up; exit $lib_status' EXIT
	trap 'echo "${BASH_SOURCE[0]##*/}: line $LINENO: failed: $BASH_COMMAND"' ERR
	set -eE
	set -o pipefail
	"$1"
}

# Starts the process of one test, waits for it, and prints its line of TAP.
lib_run_in_process() {
	local number=$1 name=$2 status=0 left

	for left in output skip remarks namespace; do
		: >"$lib_dir/$left"
	done
	LIB_RUN_ONE=$name LIB_NUMBER=$number LIB_DIR=$lib_dir \
		timeout -k 30 "$test_timeout" "${lib_unshare[@]}" \
		bash "$lib_script" >"$lib_dir/output" 2>&1 </dev/null &
	lib_child=$!
	wait "$lib_child" || status=$?
	lib_child=
	name=${name#test_}
	case $status in
	0) echo "ok $number - $name" ;;
	77) echo "ok $number - $name # SKIP $(cat "$lib_dir/skip" 2>&1)" ;;
	*)
		echo "not ok $number - $name"
		[ "$status" != 124 ] ||
			echo "# stopped after $test_timeout seconds"
		tail -n 200 "$lib_dir/output" | tr -d '\000' | sed 's/^/# /'
		;;
	esac
	# 124 and more: the test was killed, perhaps before it could clean up.
	[ "$status" -lt 124 ] || lib_end_namespace
	[ ! -s "$lib_dir/remarks" ] || sed 's/^/# /' "$lib_dir/remarks"
	# A mount leaves a file for the next mount on the same mount point.
	for left in /run/vhdfs/*"%2F${lib_dir##*/}%2F"*; do
		[ ! -e "$left" ] || rm -f "$left"
	done
	# The directory remains if the process was killed before it cleaned up.
	[ -e "$lib_dir/$number" ] || return 0
	lib_unmount_below "$lib_dir"
	rm -rf --one-file-system "${lib_dir:?}/$number"
}

lib_interrupted() {
	trap '' INT TERM
	if [ -n "$lib_child" ]; then
		kill "$lib_child" 2>/dev/null
		wait "$lib_child"
	fi
	exit 130
}

# Prints the names of the test functions, in the order of the source.
lib_tests() {
	local name

	shopt -s extdebug
	for name in $(compgen -A function test_); do
		declare -F "$name"
	done | sort -n -k 2,2 | cut -d ' ' -f 1
	shopt -u extdebug
}

run_tests() {
	local tests=("$@") number=0 name

	if [ -n "${LIB_RUN_ONE:-}" ]; then
		name=$LIB_RUN_ONE
		lib_dir=$LIB_DIR
		unset LIB_RUN_ONE LIB_DIR
		lib_run_one "$name"
		exit
	fi
	[ ${#tests[@]} != 0 ] || tests=("${lib_arguments[@]}")
	[ ${#tests[@]} != 0 ] || mapfile -t tests < <(lib_tests)
	lib_child=
	lib_choose_namespace
	lib_dir=$(mktemp -d "${TMPDIR:-/var/tmp}/vhdfs-test.XXXXXX")
	mkfifo "$lib_dir/idle"
	trap 'rm -rf --one-file-system "$lib_dir"' EXIT
	trap lib_interrupted INT TERM
	echo "1..${#tests[@]}"
	for name in "${tests[@]}"; do
		lib_run_in_process $((number += 1)) "$name"
	done
	exit 0
}

# sample N: prints the names of N tests, which $VHDFS_SEED chooses, in the order of
# the source.
sample() {
	lib_tests | awk -v n="$1" -v seed="$VHDFS_SEED" '
		BEGIN { srand(seed) }
		{ names[NR] = $0 }
		END {
			for (left = NR; n > 0 && left > 0; left--)
				if (rand() * left < n) {
					print names[NR - left + 1]
					n--
				}
		}'
}

# run_sample COUNT [NAME...]: runs COUNT tests that VHDFS_SEED chooses, and exits; does
# nothing if COUNT is empty or tests are named.
run_sample() {
	local chosen

	[ -n "$1" ] && [ $# = 1 ] && [ -z "${LIB_RUN_ONE:-}" ] || return 0
	export VHDFS_SEED=${VHDFS_SEED:-$RANDOM}
	echo "# VHDFS_SEED=$VHDFS_SEED, $1 tests"
	mapfile -t chosen < <(sample "$1")
	run_tests "${chosen[@]}"
}

# The absolute path of the script: a test may change its directory.
lib_script=$0
[ -n "${LIB_RUN_ONE:-}" ] || lib_script=$(realpath "$0")
# The arguments of the script: the names of the tests to run, if any.
lib_arguments=("$@")
