#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds: with clang, without libnbd, as a release archive; and make install.
. "${0%/*}/lib.sh"

# The builds must not inherit the settings of the make that runs the tests.
unset MAKEFLAGS MFLAGS MAKELEVEL

# Creates a clean copy of the source in $scratch/source, and changes to an empty
# build directory.
copy_source() {
	mkdir "$scratch/source"
	(cd "$top_srcdir" && tar -c --exclude=./.git --exclude=./build \
		--exclude='*.o' .) | tar -x -C "$scratch/source"
	cd "$scratch/source"
	make -s distclean >/dev/null 2>&1 || true
	[ -x configure ] || ./autogen.sh
	mkdir "$scratch/build"
	cd "$scratch/build"
}

test_clang_compiles_without_warnings() {
	requires clang
	copy_source
	../source/configure -q --enable-gcc-warnings CC=clang \
		--sysconfdir=/opt/x/etc
	make -s
	sysconfdir_is_followed /opt/x/etc
}

test_build_without_libnbd_refuses_a_uri() {
	copy_source
	../source/configure -q --without-libnbd
	make -s vhdfs/vhdfs-img
	expect_error 1 'nbd://a:\*\*\*@h/x: this build of vhdfs-img has no libnbd' \
		vhdfs/vhdfs-img convert nbd://a:secret@h/x out.vhdx
	[ ! -e out.vhdx ] || fail "expected no out.vhdx"
}

# sysconfdir_is_followed DIRECTORY: expects that the programs and units of this
# build look for their settings in that directory.
sysconfdir_is_followed() {
	tgt-glue/tgt-glue --help | grep -q "instead of $1/vhdfs/fleet.conf" ||
		fail "expected $1 in: $(tgt-glue/tgt-glue --help)"
	grep -q "^EnvironmentFile=$1/vhdfs/%i.mount" \
		contrib/systemd/vhdfs@.service
	! grep '/etc/vhdfs' contrib/systemd/*.service | grep -v "$1/vhdfs" ||
		fail "expected $1/vhdfs in each unit, found /etc/vhdfs"
}

# The ending of each file beside the targets-file is in the manual page.
test_purge_removes_each_file_that_can_be_made_again() {
	local conf=$scratch/tgt/conf.d/vhdfs.conf ending n=0

	mkdir -p "${conf%/*}"
	touch "$conf" "$conf.1" "$conf.1.env" "${conf%/*}/other.conf"
	while read -r ending; do
		: >"$conf.$ending"
		n=$((n + 1))
	done < <(sed -n '/^\.SH FILES/,/^\.SH ENV/s/^\.IR TARGETS-FILE \.\([a-z]*\)$/\1/p' \
		"$top_srcdir/man/tgt-glue.8.in")
	[ "$n" -ge 6 ] || fail "expected files in the manual page, found $n"
	sed -n '/^remove_generated()/,/^\tfind .etc/p' \
		"$top_srcdir/debian/tgt-glue.postrm" | sed '$d' >"$scratch/purge"
	(
		generated=$conf
		eval "$(cat "$scratch/purge")
}"
		remove_generated
	)
	equal "files that stay" "other.conf vhdfs.conf.fleet" \
		"$(find "${conf%/*}" -type f -printf '%f\n' | sort | paste -sd ' ')"
}

test_install_places_programs_pages_completions_and_units() {
	make -s -C "$top_builddir" install DESTDIR="$scratch/root" >/dev/null
	for program in vhdfs vhdfs-img tgt-glue; do
		find "$scratch/root" -type f -perm -u+x -name "$program" |
			grep -q . || fail "expected $program to be installed"
		find "$scratch/root" -path '*/man/man*' -name "$program.[1-8]" |
			grep -q . || fail "expected a man page of $program"
		find "$scratch/root" -path '*bash-completion*' -name "$program" |
			grep -q . || fail "expected a completion of $program"
	done
	# tgt-glue has the path of the one that is installed.
	look=$(find "$scratch/root" -type f -perm -u+x -path '*/vhdfs/look-into')
	grep -qF "${look#"$scratch/root"}" "$(find "$scratch/root" -type f \
		-path '*/sbin/tgt-glue')" ||
		fail "expected the path of look-into in tgt-glue, found '$look'"
	find "$scratch/root" -name fleet.conf.5 | grep -q . ||
		fail "expected the man page fleet.conf(5)"
	for unit in vhdfs@.service vhdfs-tgtd@.service tgt-glue-watch.service \
		tgt-glue-scrub.service tgt-glue-scrub.timer \
		tgt-glue-status.socket tgt-glue-status@.service; do
		find "$scratch/root" -path "*/systemd/system/$unit" |
			grep -q . || fail "expected the unit $unit"
	done
	find "$scratch/root" -type d -path '*/etc/vhdfs' -perm 755 | grep -q . ||
		fail "expected the directory etc/vhdfs, mode 755"
	# The units start the installed programs, or those of other packages.
	find "$scratch/root" -name '*.service' -exec sed -n \
		's/^ExecStart=\([^ ]*\).*/\1/p' {} + | while read -r program; do
		case $program in /usr/sbin/tgtd | /bin/*) continue ;; esac
		[ -x "$scratch/root$program" ] ||
			fail "expected $program, which a unit starts"
	done
}

test_install_places_the_files_of_the_cockpit_page() {
	local page file

	grep -q '^S\["WITH_COCKPIT_TRUE"\]=""' "$top_builddir/config.status" ||
		skip "this build has no Cockpit page"
	make -s -C "$top_builddir" install DESTDIR="$scratch/root" >/dev/null
	page=$(find "$scratch/root" -type d -path '*/share/cockpit/vhdfs')
	for file in index.css index.html index.js manifest.json patternfly.css; do
		[ -s "$page/$file" ] || fail "expected $file in '$page'"
	done
	# Each file that the page names is there.
	grep -oE '(href|src)="[^."][^"]*"' "$page/index.html" | cut -d'"' -f2 |
		while read -r file; do
			[ -s "$page/$file" ] || fail "expected $file, which index.html names"
		done
}

test_page_without_esbuild_is_refused_and_by_default_left_out() {
	copy_source
	rm -rf ../source/cockpit/dist
	../source/configure -q ESBUILD=no --enable-cockpit >log 2>&1 &&
		fail "expected that configure fails"
	has_line 'esbuild is needed for --enable-cockpit' log
	../source/configure ESBUILD=no >log
	has_line 'Cockpit page *no' log
}

# A build from the archive needs no esbuild.
test_release_archive_passes_distcheck() {
	requires esbuild
	local page="--enable-cockpit ESBUILD=no"
	copy_source
	rm -rf ../source/cockpit/dist
	../source/configure -q
	make -s distcheck TESTS=tests/unit/test-base \
		DISTCHECK_CONFIGURE_FLAGS="-q $page" >"$scratch/log" 2>&1 ||
		fail "expected success of distcheck: $(tail -n 60 "$scratch/log")"
	has_line 'ready for distribution' "$scratch/log"
}

run_tests
