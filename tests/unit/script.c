/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scripted races: runs each script on every shape of disk. */
#include "unit/script.h"

#include <stdio.h>
#include <stdlib.h>

void flush(struct scene *s)
{
	act(s, ACT_FLUSH, 0, 0, 0);
}

void play(void **state, unsigned ops,
	  bool (*once)(struct scene *s, struct pause_point *stop))
{
	/* A script that reaches no stop is wrong. */
	assert_int_not_equal(at_every_stop(*state, ops, once), 0);
}

enum { TESTS_MAX = 256 };

int scripts_run(const struct script *scripts, size_t n)
{
	static struct CMUnitTest tests[TESTS_MAX];
	static char names[TESTS_MAX][80];
	const char *only = getenv("VHDFS_ONLY");

	assert_true(n * N_SHAPES <= TESTS_MAX);
	for (size_t i = 0; i < n * N_SHAPES; i++) {
		const struct script *script = &scripts[i / N_SHAPES];
		const struct shape *shape = &shapes[i % N_SHAPES];

		snprintf(names[i], sizeof names[i], "%s: %s", shape->name,
			 script->name);
		tests[i] = (struct CMUnitTest){
			.name = names[i],
			.test_func = script->play,
			.setup_func = scene_setup,
			.teardown_func = scene_teardown,
			.initial_state = (void *)shape,
		};
	}
	if (only)
		cmocka_set_test_filter(only);
	return _cmocka_run_group_tests("races", tests, n * N_SHAPES, NULL,
				       NULL);
}
