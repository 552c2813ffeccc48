/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of tgt-glue that need no tgtd. */
#define _GNU_SOURCE
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tgt-glue/reconcile/old-images.h"
#include "tgt-glue/tgtd/state.h"
#include "tgt-glue/config/shard.h"
#include "tgt-glue/config/tid.h"
#include "tgt-glue/config/versions.h"
#include "tgt-glue/tgtd/traffic.h"
#include "tgt-glue/config/values.h"

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void tids_are_in_range_and_spread(void **state)
{
	enum { N = 4096 };
	static uint32_t tids[N];
	unsigned same = 0;
	char iqn[64];

	(void)state;
	for (int i = 0; i < N; i++) {
		snprintf(iqn, sizeof iqn, "iqn.2026-01.lan.example:pc%d", i);
		tids[i] = tid_of(iqn);
		assert_in_range(tids[i], 1, TID_MAX);
	}
	qsort(tids, N, sizeof *tids, by_number);
	for (int i = 1; i < N; i++)
		same += tids[i] == tids[i - 1];
	/* Chance makes 0.03 of them; a weak hash makes many. */
	assert_in_range(same, 0, 1);
}

static void stamps_are_dates(void **state)
{
	static const char *const good[] = {
		"19700101T000000.000000Z", "20260131T235959.000001Z",
		"20240229T000000.999999Z", "99981231T235959.999999Z",
		"00010101T000000.000000Z",
	};
	static const char *const bad[] = {
		"",
		"20260131T235959.000001",
		"20260131T235959.000001Zx",
		"20260131T235960.000001Z",
		"20260131t235959.000001Z",
		"20250229T000000.000000Z",
		"20260001T000000.000000Z",
		"20260131T240000.000000Z",
		"99991231T235959.999999Z",
		"99999999T999999.999999Z",
	};
	char text[STAMP_SIZE];
	int64_t stamp;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(stamp_read(good[i], &stamp));
		stamp_write(stamp, text);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(stamp_read(bad[i], &stamp));
}

static void next_stamp_is_greater_than_all(void **state)
{
	static const int64_t nows[] = { 0, -1, 1, 1000, INT64_MAX, INT64_MIN };
	static const char *const newest[] = { "19700101T000000.000000Z",
					      "20260131T235959.999999Z",
					      "99981231T235959.999999Z" };
	char before[STAMP_SIZE], after[STAMP_SIZE];
	struct old_image image;
	struct old_images kept = { .v = &image, .n = 1 };

	(void)state;
	for (size_t i = 0; i < sizeof newest / sizeof *newest; i++)
		for (size_t k = 0; k < sizeof nows / sizeof *nows; k++) {
			assert_true(stamp_read(newest[i], &image.stamp));
			stamp_write(image.stamp, before);
			stamp_write(old_images_next_stamp(&kept, nows[k]),
				    after);
			assert_true(strcmp(after, before) > 0);
		}
	kept.n = 0;
	for (size_t k = 0; k < sizeof nows / sizeof *nows; k++) {
		stamp_write(old_images_next_stamp(&kept, nows[k]), after);
		assert_true(stamp_read(after, &image.stamp));
	}
}

static void names_of_versions_are_recognised(void **state)
{
	static const struct {
		const char *path, *family;
		unsigned number;
	} names[] = {
		{ "masters/win11.vhdx", "masters/win11.vhdx", 0 },
		{ "masters/win11@1.vhdx", "masters/win11.vhdx", 1 },
		{ "masters/win11@999999999.vhdx", "masters/win11.vhdx",
		  999999999 },
		{ "masters/win11@test.vhdx", "masters/win11.vhdx", 0 },
		{ "masters/win11@01.vhdx", "masters/win11@01.vhdx", 0 },
		{ "masters/win11@1a.vhdx", "masters/win11@1a.vhdx", 0 },
		{ "masters/win11@.vhdx", "masters/win11@.vhdx", 0 },
		{ "masters/@1.vhdx", "masters/@1.vhdx", 0 },
		{ "a@2/win11.vhdx", "a@2/win11.vhdx", 0 },
		{ "win11@7.vhd", "win11.vhd", 7 },
		{ "masters/win11@1.iso", NULL, 0 },
	};
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *family = family_of(&arena, names[i].path);

		if (!names[i].family) {
			assert_null(family);
			continue;
		}
		assert_string_equal(family, names[i].family);
		assert_int_equal(family_number(family, names[i].path),
				 names[i].number);
	}
	assert_false(family_has("masters/win11.vhdx", "masters/win11@1.vhd"));
	assert_false(family_has("masters/win11.vhdx", "other/win11@1.vhdx"));
	assert_false(family_has("win11.vhdx", "masters/win11@1.vhdx"));
	assert_string_equal(
		channel_path(&arena, "masters/win11.vhdx", CHANNEL_BACK),
		"masters/.win11@back.vhdx");
	arena_fini(&arena);
}

static void clients_are_spread_evenly_over_shards(void **state)
{
	enum { CLIENTS = 4096 };
	char iqn[64];

	(void)state;
	for (unsigned n = 1; n <= SHARDS_MAX; n++) {
		const int fair = (int)(CLIENTS / n);
		int count[SHARDS_MAX] = { 0 };

		for (int i = 0; i < CLIENTS; i++) {
			snprintf(iqn, sizeof iqn,
				 "iqn.2026-01.lan.example:pc%d", i);
			assert_in_range(shard_of(iqn, n), 0, n - 1);
			count[shard_of(iqn, n)]++;
		}
		/* Chance alone stays within a quarter. */
		for (unsigned k = 0; k < n; k++)
			assert_in_range(count[k], fair * 3 / 4, fair * 5 / 4);
	}
}

static void new_shard_migrates_only_the_clients_it_takes(void **state)
{
	char iqn[64];

	(void)state;
	for (unsigned n = 1; n < SHARDS_MAX; n++)
		for (int i = 0; i < 1000; i++) {
			unsigned after;

			snprintf(iqn, sizeof iqn,
				 "iqn.2026-01.lan.example:pc%d", i);
			after = shard_of(iqn, n + 1);
			assert_true(after == n || after == shard_of(iqn, n));
		}
}

/* A new version must not migrate the clients of a running fleet. */
static void shard_of_a_client_is_the_same_in_all_releases(void **state)
{
	static const struct {
		const char *iqn;
		unsigned n, shard;
	} cases[] = {
		{ "iqn.2026-01.lan.example:pc1", 1, 0 },
		{ "iqn.2026-01.lan.example:pc1", 2, 0 },
		{ "iqn.2026-01.lan.example:pc3", 2, 1 },
		{ "iqn.2026-01.lan.example:pc12", 2, 1 },
		{ "iqn.2026-01.lan.example:pc1", 16, 3 },
		{ "iqn.2026-01.lan.example:pc3", 16, 15 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(shard_of(cases[i].iqn, cases[i].n),
				 cases[i].shard);
}

static void portals_have_a_port_and_brackets(void **state)
{
	static const struct {
		const char *given, *address;
		int port;
	} cases[] = {
		{ "10.0.0.1", "10.0.0.1", 3260 },
		{ "10.0.0.1:3261", "10.0.0.1", 3261 },
		{ "[fd00::1]", "[fd00::1]", 3260 },
		{ "[fd00::1]:65535", "[fd00::1]", 65535 },
		{ "fd00::1", "[fd00::1]", 3260 },
		{ "FD00:0::1", "[fd00::1]", 3260 },
		{ "server.lab", "server.lab", 3260 },
		{ "server:3270", "server", 3270 },
	};
	char address[PORTAL_SIZE];
	int port;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_null(value_check(&value_portal, cases[i].given));
		value_read_portal(cases[i].given, address, &port);
		assert_string_equal(address, cases[i].address);
		assert_int_equal(port, cases[i].port);
	}
}

static void traffic_is_read_for_the_disk_and_its_session(void **state)
{
	char text[] =
		"tgt lun sid rd_subm(bytes,cmds) rd_done(bytes,cmds) wr_subm(bytes,cmds) wr_done(bytes,cmds) errs\n"
		"  5   0   1           11     12           13     14           15     16           17     18   19\n"
		"  5   1   1      1049326     11      1049325     10       131072      3        65536      2    1\n"
		"tgt lun sid rd_subm(bytes,cmds) rd_done(bytes,cmds) wr_subm(bytes,cmds) wr_done(bytes,cmds) errs\n"
		"268435455   1 18446744073709551615 1 1 5000000000000 9 1 1 7 8 0\n"
		"  6   1   2            0      0\n";
	struct arena arena = { 0 };
	struct traffics all;
	const struct traffic *t;

	(void)state;
	traffic_parse(&arena, text, &all);
	assert_int_equal(all.n, 2);
	t = traffic_of(&all, 5, 1);
	assert_non_null(t);
	assert_int_equal(t->read_bytes, 1049325);
	assert_int_equal(t->read_commands, 10);
	assert_int_equal(t->written_bytes, 65536);
	assert_int_equal(t->write_commands, 2);
	assert_int_equal(t->errors, 1);
	t = traffic_of(&all, 268435455, UINT64_MAX);
	assert_non_null(t);
	assert_int_equal(t->read_bytes, 5000000000000);
	assert_null(traffic_of(&all, 5, 2));
	assert_null(traffic_of(&all, 6, 2));
	arena_fini(&arena);
}

static void addresses_have_the_form_that_tgtd_compares(void **state)
{
	static const struct {
		const char *given, *wanted;
	} cases[] = {
		{ "10.0.0.7", "10.0.0.7" },
		{ "10.0.0.7/32", "10.0.0.7" },
		{ "10.255.255.255/9", "10.128.0.0/9" },
		{ "255.255.255.255/1", "128.0.0.0/1" },
		{ "fd00::ffff/128", "fd00::ffff" },
		{ "fd00::ffff/127", "fd00::fffe/127" },
		{ "FD00::1/16", "fd00::/16" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_null(value_check(&value_address, cases[i].given));
		value_read_address(cases[i].given, text);
		assert_string_equal(text, cases[i].wanted);
	}
}

static void invalid_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"ALL",
		"10.0.0",
		"10.0.0.0/0",
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0.0/8x",
		"10.0.0.0/+8",
		"fd00::/129",
		"fd00::/-1",
		"pc1.lan",
		"010.0.0.1.2",
		"::/0",
		"[fd00::1]",
		"10.0.0.1 ",
		"192.0.2.1,ALL",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (!value_check(&value_address, bad[i])) {
			print_error("expected '%s' to be refused\n", bad[i]);
			assert_true(false);
		}
}

/* Does the syntax accept good, and refuse it with each of these characters? */
static void check_without(const struct value_syntax *syntax, const char *good,
			  const char *bad)
{
	char text[64];

	assert_null(value_check(syntax, good));
	for (; *bad; bad++) {
		snprintf(text, sizeof text, "%s%cx", good, *bad);
		if (!value_check(syntax, text)) {
			print_error("expected '%s' to be refused\n", text);
			assert_true(false);
		}
	}
}

/* Characters with a meaning to a shell, to tgt-admin or to tgtd. */
static void values_that_need_quoting_are_refused(void **state)
{
	static const char bad[] = " \t\"'$`\\#,;<>&|*?!()[]{}~^%=\n";

	(void)state;
	check_without(&value_name, "name", bad);
	check_without(&value_initiator, "iqn.2026-01.lan:a", bad);
	check_without(&value_user, "user", bad);
	check_without(&value_secret, "secretsecret", bad);
	check_without(&value_portal, "10.0.0.1", bad);
	check_without(&value_iqn_prefix, "iqn.2026-01.lan.a", bad);
	check_without(&value_address, "10.0.0.1", bad);
	check_without(&value_master, "masters/ä b", "\t\"$`\\\n\x7f\xff");
	check_without(&value_store, "/srv/ä b", "\t\"$`\\\n\x7f\xff");
	check_without(&value_mount, "/srv/ä b", "\t\"'$`\\#,<>\n\x7f\xff");
	check_without(&value_targets_file, "/etc/ä b", "\"'$`\\#*?[]{}~\n");
	assert_non_null(value_check(&value_mount, "/srv/HASH"));
}

static void values_have_a_greatest_length(void **state)
{
	static const struct {
		const struct value_syntax *syntax;
		const char *begin;
		int max;
	} cases[] = {
		{ &value_name, "pc", 40 },
		{ &value_initiator, "iqn.", 223 },
		{ &value_user, "u", 64 },
		{ &value_secret, "s", 16 },
		{ &value_iqn_prefix, "iqn.2026-01.", 182 },
		{ &value_store, "/", 179 },
		{ &value_mount, "/", 179 },
		{ &value_targets_file, "/", 179 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[256];

		memset(text, 'a', sizeof text);
		memcpy(text, cases[i].begin, strlen(cases[i].begin));
		text[cases[i].max + 1] = '\0';
		assert_non_null(value_check(cases[i].syntax, text));
		text[cases[i].max] = '\0';
		assert_null(value_check(cases[i].syntax, text));
	}
}

static void sizes_do_not_wrap(void **state)
{
	(void)state;
	assert_int_equal(value_read_size("3K"), 3 << 10);
	assert_true(value_read_size("1T") == UINT64_C(1) << 40);
	assert_non_null(value_check(&value_min_free, "16777216T"));
	assert_non_null(value_check(&value_min_free, "18446744073709551616"));
	assert_non_null(value_check(&value_min_free, "-1"));
	assert_non_null(value_check(&value_min_free, "101%"));
	assert_int_equal(value_read_min_free("5%", 1000), 50);
}

static const char answer[] = "Target 5: iqn.2026-01.lan:a\n"
			     "    System information:\n"
			     "        Driver: iscsi\n"
			     "    I_T nexus information:\n"
			     "        I_T nexus: 3\n"
			     "            Initiator: iqn.x:me alias: LUN: 1\n"
			     "            Connection: 2\n"
			     "                IP Address: 10.0.0.7\n"
			     "        I_T nexus: 4\n"
			     "            Initiator: iqn.x:you alias: none\n"
			     "            Connection: 0\n"
			     "                IP Address: fd00::1\n"
			     "    LUN information:\n"
			     "        LUN: 0\n"
			     "            SCSI ID: none of ours\n"
			     "        LUN: 1\n"
			     "            SCSI ID: id one\n"
			     "            Size: 67 MB, Block size: 4096\n"
			     "            Online: Yes\n"
			     "            Readonly: No\n"
			     "            Thin-provisioning: Yes\n"
			     "            Backing store type: rdwr\n"
			     "            Backing store path: /m/a b\n"
			     "        LUN: 5\n"
			     "            Type: cd/dvd\n"
			     "            Readonly: Yes\n"
			     "            Backing store path: /s/a.iso\n"
			     "    Account information:\n"
			     "        LUN: 2\n"
			     "        Target 6: x\n"
			     "        other (outgoing)\n"
			     "    ACL information:\n"
			     "        ALL\n"
			     "Target 7: iqn.2026-01.lan:b\n"
			     "    LUN information:\n";

static void state_is_read_from_tgtds_answer(void **state)
{
	struct tgtd_state live = { 0 };
	char *text = strdup(answer);
	const struct tgtd_target *t;
	const struct tgtd_lun *lun;

	(void)state;
	assert_int_equal(tgtd_state_parse(&live, text), 0);
	assert_int_equal(live.n, 2);
	t = tgtd_state_target(&live, "iqn.2026-01.lan:a");
	assert_ptr_equal(t, tgtd_state_target_by_tid(&live, 5));
	lun = tgtd_state_lun(t, 1);
	assert_true(lun && lun->online && lun->thin);
	assert_false(lun->readonly || lun->cd);
	assert_int_equal(t->n_luns, 2);
	assert_null(tgtd_state_lun(t, 0));
	assert_true(tgtd_state_lun(t, 5)->cd);
	assert_true(tgtd_state_lun(t, 5)->readonly);
	assert_string_equal(tgtd_state_lun(t, 5)->path, "/s/a.iso");
	assert_int_equal(lun->block_size, 4096);
	assert_string_equal(lun->scsi_id, "id one");
	assert_string_equal(lun->path, "/m/a b");
	assert_int_equal(t->accounts.n, 2);
	assert_string_equal(t->accounts.v[0], "LUN: 2");
	assert_string_equal(t->outgoing, "other");
	assert_int_equal(t->acl.n, 1);
	assert_int_equal(tgtd_state_target_by_tid(&live, 7)->n_luns, 0);
	tgtd_state_fini(&live);
	free(text);
}

/* Forged initiator names: tgtd's answer about target 5 gets forged lines,
 * behind its first line, and after a line break. */
static const char *const forgeries[] = {
	"x\ny",
	"x\n y",
	"x\nTarget 5: iqn.2026-01.lan:a",
	"x\n    LUN information:\n        LUN: 1",
	"x\n    LUN information:\n    I_T nexus information:",
	"x\n    Other information:",
	"x\n    LUN information:\n        LUN: 1\nTarget 9: iqn.2026-01.lan:b",
	"x\nTarget 9: iqn.2026-01.lan:b\n    System information:",
	"x\nTarget 9: iqn.2026-01.lan:b\n    ACL information:",
	"x\n        IP Address: 10.0.0.8",
	"x\n    Connection: 3\n        Initiator: x",
	"x\nSession: 3\n    Connection: 1\n        Initiator: x",
};

/* Parses the answer with this name of target 5's first initiator. */
static int parse_with_name(struct tgtd_state *live, const char *name)
{
	const char *at = strstr(answer, "me alias");
	char *text;
	int r;

	assert_true(asprintf(&text, "%.*s%s alias: none%s", (int)(at - answer),
			     answer, name, strchr(at, '\n')) > 0);
	r = tgtd_state_parse(live, text);
	free(text);
	return r;
}

static void forged_lines_of_an_answer_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
		struct tgtd_state live = { 0 };

		/* cmocka 2 has no fail_msg where fail is another function. */
		if (parse_with_name(&live, forgeries[i]) != -EBADMSG) {
			print_error("expected -EBADMSG for the initiator %s\n",
				    forgeries[i]);
			_fail(__FILE__, __LINE__);
		}
		tgtd_state_fini(&live);
	}
}

/* A target for tgtd_state_read to ask about: tgtd knows no target 9. */
static void forged_target_is_an_unknown_target(void **state)
{
	struct tgtd_state live = { 0 };

	(void)state;
	assert_ok(parse_with_name(
		&live,
		"x\nTarget 9: iqn.2026-01.lan:b\n    I_T nexus information:\n"
		"        I_T nexus: 3\n            Initiator: x"));
	assert_non_null(tgtd_state_target_by_tid(&live, 9));
	tgtd_state_fini(&live);
}

/* The index grows, and pairs get other places. */
static void pairs_are_found_after_drops_and_a_sort(void **state)
{
	enum { N = 1000 };
	struct arena arena = { 0 };
	struct pairs pairs = { 0 };
	char key[16];

	(void)state;
	assert_null(pairs_get(&pairs, "0"));
	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof key, "%d", N - i);
		pairs_set(&arena, &pairs, key, "old");
		pairs_set(&arena, &pairs, key, key);
	}
	for (int i = 3; i <= N; i += 3) {
		snprintf(key, sizeof key, "%d", i);
		pairs_drop(&pairs, key);
		assert_null(pairs_get(&pairs, key));
	}
	assert_int_equal(pairs.n, N - N / 3);
	assert_string_equal(pairs.v[0].key, "1000");
	pairs_sort(&pairs);
	assert_string_equal(pairs.v[0].key, "1");
	for (int i = 1; i <= N; i++) {
		const char *value;

		snprintf(key, sizeof key, "%d", i);
		value = pairs_get(&pairs, key);
		assert_int_equal(!value, i % 3 == 0);
		assert_true(!value || !strcmp(value, key));
	}
	arena_fini(&arena);
}

static void index_finds_the_first_of_equal_keys(void **state)
{
	struct arena arena = { 0 };
	struct index index = { 0 };

	(void)state;
	index_add(&arena, &index, "a", 4);
	index_add(&arena, &index, "a", 5);
	assert_int_equal(index_find(&index, "a"), 4);
	assert_int_equal(index_find(&index, "b"), NOT_FOUND);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest glue[] = {
		cmocka_unit_test(pairs_are_found_after_drops_and_a_sort),
		cmocka_unit_test(index_finds_the_first_of_equal_keys),
		cmocka_unit_test(tids_are_in_range_and_spread),
		cmocka_unit_test(stamps_are_dates),
		cmocka_unit_test(next_stamp_is_greater_than_all),
		cmocka_unit_test(names_of_versions_are_recognised),
		cmocka_unit_test(clients_are_spread_evenly_over_shards),
		cmocka_unit_test(new_shard_migrates_only_the_clients_it_takes),
		cmocka_unit_test(shard_of_a_client_is_the_same_in_all_releases),
		cmocka_unit_test(addresses_have_the_form_that_tgtd_compares),
		cmocka_unit_test(portals_have_a_port_and_brackets),
		cmocka_unit_test(traffic_is_read_for_the_disk_and_its_session),
		cmocka_unit_test(invalid_address_is_refused),
		cmocka_unit_test(values_that_need_quoting_are_refused),
		cmocka_unit_test(values_have_a_greatest_length),
		cmocka_unit_test(sizes_do_not_wrap),
		cmocka_unit_test(state_is_read_from_tgtds_answer),
		cmocka_unit_test(forged_lines_of_an_answer_are_refused),
		cmocka_unit_test(forged_target_is_an_unknown_target),
	};

	return cmocka_run_group_tests(glue, NULL, NULL);
}
