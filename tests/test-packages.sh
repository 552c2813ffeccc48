#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the packages of Debian bring beside the programs: scripts, lists and
# versions.  The packages themselves are built, installed, upgraded and purged by
# contrib/check --release.
. "${0%/*}/lib.sh"

debian=$top_srcdir/debian

# A release's archive has no debian/.
requires_debian() {
	[ -d "$debian" ] || skip "no debian/"
}

test_version_of_the_packages_is_that_of_NEWS() {
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

test_address_for_bugs_is_the_same_everywhere() {
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

# All the keys of fleet.conf that have a secret, however they are written.
test_report_of_a_bug_has_no_secret() {
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
		secret-file = /etc/vhdfs/pc1.secret
	END
	chmod 600 "$scratch/fleet.conf"
	FLEET_CONF=$scratch/fleet.conf sh "$debian/tgt-glue.bug-script" \
		3>"$scratch/report" 2>"$scratch/stderr"
	! grep hush "$scratch/report" "$scratch/stderr" ||
		fail "expected no secret in the report"
	equal "masked lines" 4 "$(grep -c '= \*\{8\}$' "$scratch/report")"
	grep -q '^user = public' "$scratch/report"
	grep -q '^secret-file = /etc/vhdfs/pc1.secret' "$scratch/report"
	sh "$debian/vhdfs.bug-script" 3>"$scratch/report"
	grep -q '^vhdfs [0-9]' "$scratch/report"
}

test_needrestart_restarts_nothing_with_clients() {
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
	equal "what needrestart restarts (1)" "vhdfs@srv-disks.service 0
tgt.service 0
vhdfs-tgtd@1.service 0
tgt-glue-watch.service 1" \
		"$(perl "$scratch/ask.pl" "$debian"/needrestart/*.conf)"
}

run_tests
