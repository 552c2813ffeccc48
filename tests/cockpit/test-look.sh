#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How the Cockpit page looks and behaves for its reader, with an invented fleet that
# has all that is rare: see invented-glue.mjs.
. "${0%/*}/../lib.sh"
. "$top_srcdir/tests/tgt/tgt.sh"
. "$top_srcdir/tests/cockpit/cockpit.sh"

# look SCENARIO: the page, over a tgt-glue that invents its answers.
look() {
	requires_browser
	mkdir -p "$scratch/invented"
	: >"$scratch/changes"
	cat >"$scratch/invented/tgt-glue" <<-END
		#!/bin/sh
		exec node "$(realpath "$top_srcdir/tests/cockpit/invented-glue.mjs")" "$scratch/changes" "\$@"
	END
	chmod 755 "$scratch/invented/tgt-glue"
	PATH=$scratch/invented:$PATH glue_config='' start_cockpit
	browse look "$1"
}

test_what_is_wrong_is_counted_and_a_press_shows_it_alone() {
	look states
}

test_filter_is_said_to_a_screen_reader_and_a_login_is_not() {
	look said
}

test_filters_that_match_nothing_say_so_and_can_be_cleared() {
	look nothing
}

test_filters_and_order_survive_a_reload_and_the_way_back() {
	look address
}

test_columns_stay_where_they_are_and_sizes_end_at_one_line() {
	look columns
}

test_rows_and_tiles_of_machines_with_traffic_have_a_spark_line() {
	look sparks
}

test_a_change_keeps_the_focus_and_open_lists() {
	look place
}

test_the_reader_comes_back_to_the_machine_that_he_left_for() {
	look back
}

test_long_lists_show_their_beginning_until_asked() {
	look lists
}

test_versions_are_a_graph_with_the_newest_on_top() {
	look graph
}

test_a_circle_turns_while_the_fleet_is_read_unless_motion_is_unwanted() {
	look loading
}

test_long_names_stay_in_their_place() {
	look names
}

test_a_dialog_warns_if_the_machine_is_logged_in() {
	look warning
}

test_an_answer_that_comes_late_is_never_drawn() {
	look late
}

test_what_moved_while_the_fleet_was_not_read_is_no_throughput() {
	look pause
}

test_days_until_full_are_those_of_now_in_each_place() {
	look days
}

test_page_of_no_machine_is_not_drawn_again() {
	look unknown
}

test_room_that_lost_all_machines_unseen_is_empty() {
	look leave
}

test_tgtd_of_one_shard_that_is_dead_is_named_with_its_unit() {
	look shards
}

test_dialog_ends_with_its_view() {
	look history
}

test_an_answer_that_is_no_json_is_named() {
	look json
}

test_axe_finds_nothing_serious_in_a_fleet_with_all_that_is_rare() {
	look axe
}

test_a_phone_shows_no_name_of_a_column_without_its_value() {
	look narrow
}

run_tests
