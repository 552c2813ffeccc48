#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Names and notes that guests, networks and readers choose are text in the Cockpit
# page, and one argument each of a command.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/tgt/tgt.sh"
. "$top_srcdir/tests/tgt/versions.sh"
. "$top_srcdir/tests/tgt/journal.sh"
. "$top_srcdir/tests/cockpit/cockpit.sh"

# logged COUNT: the log has that many logins.
logged() {
	[ "$(glue log --json | jq -s '[.[] | select(.event == "login")] | length')" -ge "$1" ]
}

# try COMMAND...: runs a command that may refuse.
try() {
	"$@" || true
}

test_names_of_initiators_are_text() {
	requires_initiator
	show_fleet 2 </dev/null
	browse hostile initiators
}

# watch, which would end the session, does not run.
test_line_breaks_in_the_name_of_an_initiator_are_text() {
	requires_initiator
	show_fleet 2 </dev/null
	browse hostile lines
}

# In the order of a real server: the initiator logs in once, and later its secret
# is wrong; tgtd writes its name to the journal.
test_names_of_refused_initiators_are_text() {
	requires_initiator
	make_journal
	show_fleet 2 <<-END
		[defaults]
		secret = secretsecret1
	END
	start_watch
	browse hostile refused
}

test_line_break_in_a_field_reaches_no_command() {
	show_fleet 2 </dev/null
	browse hostile breaks
}

test_notes_are_text() {
	show_fleet 2 </dev/null
	browse hostile notes
}

test_entered_text_is_one_argument_and_a_refusal_is_text() {
	show_fleet 2 </dev/null
	browse hostile fields
}

test_names_of_masters_are_text_and_one_argument() {
	show_fleet 2 </dev/null
	browse hostile master
}

run_tests
