#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The views of the Cockpit page in a browser, with running machines.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/tgt/tgt.sh"
. "$top_srcdir/tests/tgt/versions.sh"
. "$top_srcdir/tests/cockpit/cockpit.sh"

test_each_view_shows_3_machines() {
	show_fleet 3 </dev/null
	browse views 3
}

test_each_view_shows_30_machines() {
	show_fleet 30 </dev/null
	browse views 30
}

run_tests
