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

test_login_and_logout_are_shown_without_a_reload() {
	requires_initiator
	show_fleet 3 </dev/null
	browse live
}

test_axe_finds_nothing_serious_in_light_and_dark_colours() {
	show_fleet 3 </dev/null
	browse reach axe
}

test_no_view_is_wider_than_a_phone() {
	show_fleet 3 </dev/null
	browse reach narrow
}

test_keyboard_reaches_every_button_and_escape_closes_a_dialog() {
	show_fleet 3 </dev/null
	browse reach keyboard
}

run_tests
