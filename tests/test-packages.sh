#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The files of the Debian packages that are no programs: scripts, lists, versions.
# contrib/check --release builds, installs, upgrades and purges the packages.
. "${0%/*}/lib.sh"

debian=$top_srcdir/debian

# The archive of a release has no debian/.
requires_debian() {
	[ -d "$debian" ] || skip "no debian/"
}

test_programs_and_packages_have_the_version_of_NEWS() {
	local version

	requires_debian
	version=$(sed -n '1s/^vhdfs \([0-9.]*\) ([0-9-]\{10\})$/\1/p' \
		"$top_srcdir/NEWS")
	[ -n "$version" ] || fail "expected 'vhdfs VERSION (YYYY-MM-DD)'," \
		"found: $(head -n 1 "$top_srcdir/NEWS")"
	equal "debian/changelog" "$version" \
		"$(sed -n '1s/^vhdfs (\(.*\)-[^-]*) .*/\1/p' "$debian/changelog")"
	equal "vhdfs-img" "vhdfs-img $version" "$(vhdfs-img --version)"
	equal "tgt-glue" "tgt-glue $version" "$(tgt-glue --version)"
}

test_address_for_bugs_is_the_same_in_all_files() {
	local file

	requires_debian
	address=$(sed -n 's/^  \[\(.*@.*\)\])$/\1/p' "$top_srcdir/configure.ac")
	[ -n "$address" ] || fail "expected an address in configure.ac"
	for file in AUTHORS SECURITY debian/control debian/changelog \
		debian/copyright; do
		equal "$file" "$address" "$(grep -o '[^< ]*@[^> ]*' \
			"$top_srcdir/$file" | grep -v '^@$' | sort -u)"
	done
}

# The file has all keys of fleet.conf that hold a secret, in each spelling that the
# parser accepts, and with the mistakes that an administrator may make.
test_bug_report_contains_no_secret() {
	requires_debian
	cat >"$scratch/fleet.conf" <<-END
		[fleet]
		store = /nonexistent
		[client pc1]
		user = public
		secret = hush-hush-01
		mutual-secret=hush-hush-02
		  Secret   =   hush-hush-03 # hush-hush-04
		SECRET=hush-hush-05=hush-hush-06
		secret: hush-hush-07
		secret hush-hush-08
		secert = hush-hush-09
		password = hush-hush-10
		secret-file = /x ; secret = hush-hush-11
		secret-file = /x # it is hush-hush-12
		# admin has hush-hush-13
		user = public secret = hush-hush-14
		on-low-space = mail -p hush-hush-15
		hush-hush-16
		mac = "hush-hush-17"
	END
	printf 'secret = "cor\351hush-hush-18"\n\377 secret = hush-hush-19\n' \
		>>"$scratch/fleet.conf"
	printf '%s\n' 'secret-file: /etc/vhdfs/pc1.secret' 'portal = [::1]:3260' \
		'master = lab.vhdx' >>"$scratch/fleet.conf"
	chmod 600 "$scratch/fleet.conf"
	FLEET_CONF=$scratch/fleet.conf sh "$debian/tgt-glue.bug-script" \
		3>"$scratch/report" 2>"$scratch/stderr"
	! grep hush "$scratch/report" "$scratch/stderr" ||
		fail "expected no secret in the report"
	for line in '\[client pc1\]' 'store = /nonexistent' 'user = public' \
		'6: \*\*\*\*\*\*\*\*' 'secret-file = /x' \
		'secret-file = /etc/vhdfs/pc1.secret' 'master = lab.vhdx'; do
		grep -q "^$line$" "$scratch/report" ||
			fail "expected '$line': $(cat "$scratch/report")"
	done
	sh "$debian/vhdfs.bug-script" 3>"$scratch/report"
	grep -q '^vhdfs [0-9]' "$scratch/report"
}

# tgt-admin prints each command that failed, with its password.
test_bug_report_contains_no_secret_from_the_journal() {
	requires_debian
	mkdir "$scratch/bin"
	printf '%s\n' '#!/bin/sh' 'cat <<END' \
		'tgtadm --op new --user=admin --password=hush-hush-01' \
		'tgtadm --user admin --password hush-hush-02' \
		'incominguser admin hush-hush-03' 'a line without one' END \
		>"$scratch/bin/systemctl"
	chmod +x "$scratch/bin/systemctl"
	PATH=$scratch/bin:$PATH sh "$debian/tgt-glue.bug-script" \
		3>"$scratch/report" 2>&1
	grep -q 'a line without one' "$scratch/report" ||
		fail "expected the units: $(cat "$scratch/report")"
	! grep hush "$scratch/report" || fail "expected no secret in the report"
}

# Each key that the report shows is a key of fleet.conf that holds no secret.
test_bug_report_shows_only_keys_without_secrets() {
	local key

	requires_debian
	sed -n '/split(/,/, keys/s/.*"\([a-z -]*\)".*/\1/p' \
		"$debian/tgt-glue.bug-script" | xargs -n 1 >"$scratch/keys"
	[ "$(wc -l <"$scratch/keys")" -ge 20 ] ||
		fail "expected 20 keys or more, found: $(cat "$scratch/keys")"
	while read -r key; do
		grep -q "^\.BR\? .*\b${key//-/\\\\-}\b" \
			"$top_srcdir/man/fleet.conf.5.in" ||
			fail "$key: expected it in fleet.conf(5)"
		case $key in
		secret | mutual-secret | on-low-space)
			fail "expected no value of $key in the report" ;;
		esac
	done <"$scratch/keys"
}

test_needrestart_restarts_no_service_with_sessions() {
	requires perl
	requires_debian
	cat >"$scratch/ask.pl" <<'END'
our %nrconf = (override_rc => {});
for my $file (@ARGV) {
	eval do { local (@ARGV, $/) = $file; <> };
	die "$file: $@" if $@;
}
for my $unit ("vhdfs\@srv-disks.service", "tgt.service",
	"vhdfs-tgtd\@1.service", "tgt-glue-watch.service") {
	my ($pattern) = grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};
	print $unit, " ", defined $pattern ? $nrconf{override_rc}{$pattern} : 1,
		"\n";
}
END
	equal "services that needrestart restarts (1)" "vhdfs@srv-disks.service 0
tgt.service 0
vhdfs-tgtd@1.service 0
tgt-glue-watch.service 1" \
		"$(perl "$scratch/ask.pl" "$debian"/needrestart/*.conf)"
}

# Every package of debian/control has a list of files; each file of the units is in
# one of them, and is stopped with tgt-glue.
test_each_package_and_unit_has_its_files() {
	local name

	requires_debian
	sed -n 's/^Package: //p' "$debian/control" | while read -r name; do
		[ -s "$debian/$name.install" ] ||
			fail "expected debian/$name.install"
	done
	for name in "$top_srcdir"/contrib/systemd/*.{in,timer,socket}; do
		name=$(basename "${name%.in}")
		grep -qxF "usr/lib/systemd/system/$name" "$debian"/*.install ||
			fail "expected $name in a list of files"
		case $name in
		tgt-glue-*.timer | tgt-glue-*.socket)
			grep -qF "$name" "$debian/tgt-glue.prerm" ||
				fail "expected that prerm stops $name"
			grep -qF "$name" "$debian/tgt-glue.postrm" ||
				fail "expected that postrm purges $name"
			;;
		esac
	done
}

# The page is shown where Cockpit looks for it, and needs its bridge and tgt-glue.
test_package_of_the_page_has_the_folder_of_the_page() {
	requires_debian
	equal "files" usr/share/cockpit/vhdfs \
		"$(cat "$debian/cockpit-vhdfs.install")"
	sed -n '/^Package: cockpit-vhdfs$/,/^$/p' "$debian/control" |
		grep -q '^Depends: cockpit-bridge .*tgt-glue (>= ' ||
		fail "expected cockpit-bridge and tgt-glue in its Depends"
	grep -qx 'cockpit/dist/' "$debian/clean" ||
		fail "expected that the page is made of its sources"
}

run_tests
