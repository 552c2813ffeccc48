/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of what was applied to tgtd. */
#include "unit/unit.h"

#include "tgt-glue/reconcile/last-applied.h"

#define PARAMETERS "<target iqn.x:a>\n\tcontroller_tid 5\n"
#define STORE_ON \
	"\t<backing-store /m/a>\n\t\twrite-cache on\n\t</backing-store>\n"
#define STORE_OFF \
	"\t<backing-store /m/a>\n\t\twrite-cache off\n\t</backing-store>\n"
static const char block[] =
	PARAMETERS STORE_ON "\tinitiator-address 10.0.0.1\n"
			    "\tincominguser me secretsecret1\n"
			    "\toutgoinguser you secretsecret2\n"
			    "</target>\n";

static void last_applied_state_is_read_back(void **state)
{
	struct last_applied a = { 0 };

	(void)state;
	last_applied_parse(&a, block);
	assert_int_equal(a.blocks.n, 1);
	assert_true(last_applied_has_secret(&a, "me", "secretsecret1"));
	assert_true(last_applied_has_secret(&a, "you", "secretsecret2"));
	assert_false(last_applied_has_secret(&a, "me", "secretsecret2"));
	assert_false(last_applied_has_secret(&a, "e", "secretsecret1"));
	assert_false(last_applied_has_secret(&a, "me", "secretsecret"));
	assert_true(last_applied_has_parameters(&a, "iqn.x:a", PARAMETERS));
	assert_false(last_applied_has_parameters(
		&a, "iqn.x:a", PARAMETERS "\tFirstBurstLength 1\n"));
	assert_false(last_applied_has_parameters(&a, "iqn.x:a",
						 "<target iqn.x:a>\n"));
	assert_false(last_applied_has_parameters(&a, "iqn.x:b", PARAMETERS));
	assert_true(last_applied_has_store(&a, "iqn.x:a", STORE_ON));
	assert_false(last_applied_has_store(&a, "iqn.x:a", STORE_OFF));
	assert_false(last_applied_has_store(&a, "iqn.x:b", STORE_ON));
	last_applied_fini(&a);
}

static void account_of_a_forgotten_target_stays_the_fleets(void **state)
{
	const struct tgtd_state live = {
		.accounts = { (const char *[]){ "you" }, 1 }
	};
	struct last_applied a = { 0 };

	(void)state;
	last_applied_parse(&a, block);
	last_applied_forget(&a, "iqn.x:a");
	assert_int_equal(a.blocks.n, 0);
	assert_false(last_applied_has_secret(&a, "me", "secretsecret1"));
	assert_true(last_applied_has_user(&a, "me"));
	assert_true(last_applied_has_user(&a, "you"));
	last_applied_keep(&a, &live);
	assert_false(last_applied_has_user(&a, "me"));
	assert_true(last_applied_has_user(&a, "you"));
	last_applied_fini(&a);
}

static void disk_of_a_target_without_its_users_is_still_recorded(void **state)
{
	struct last_applied a = { 0 };

	(void)state;
	last_applied_parse(&a, block);
	last_applied_forget_users(&a, "iqn.x:other");
	assert_true(last_applied_has_secret(&a, "me", "secretsecret1"));
	last_applied_forget_users(&a, "iqn.x:a");
	assert_false(last_applied_has_secret(&a, "me", "secretsecret1"));
	assert_false(last_applied_has_secret(&a, "you", "secretsecret2"));
	assert_true(last_applied_has_user(&a, "me"));
	assert_true(last_applied_has_user(&a, "you"));
	assert_true(last_applied_has_parameters(&a, "iqn.x:a", PARAMETERS));
	assert_true(last_applied_has_store(&a, "iqn.x:a", STORE_ON));
	last_applied_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_applied_state_is_read_back),
		cmocka_unit_test(
			account_of_a_forgotten_target_stays_the_fleets),
		cmocka_unit_test(
			disk_of_a_target_without_its_users_is_still_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
