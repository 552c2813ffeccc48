/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every unit test includes, first: cmocka, and a few tools. */
#ifndef VHDFS_TESTS_UNIT_H
#define VHDFS_TESTS_UNIT_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the library's, of base/error.h */

/* r is 0, or the test fails with the words of the library's last error. */
#define assert_ok(r) assert_ok_(r, #r, __FILE__, __LINE__)
void assert_ok_(int r, const char *what, const char *file, int line);
/* r is the negative errno, or the test fails and says what it was. */
#define assert_errno(r, code) assert_errno_(r, code, #r, __FILE__, __LINE__)
void assert_errno_(int r, int code, const char *what, const char *file,
		   int line);

/*
 * A directory of the test's own, removed with all that is in it.  As cmocka's
 * setup and teardown: *state is its path.  scratch_path gives a path in it, in
 * one of eight buffers used in turn.
 */
int scratch_setup(void **state);
int scratch_teardown(void **state);
const char *scratch_path(void **state, const char *name);

/* The seed, printed: VHDFS_SEED where it is set, else of the clock. */
uint64_t seed_from_environment(void);
/*
 * When a test that goes on with new seeds ends: brief seconds from now, or
 * where VHDFS_LONG is set its share, one of parts, of so many minutes.
 */
double test_deadline(double brief, unsigned parts);
bool test_time_is_left(double deadline);
/* The next number of the sequence that *state is in (splitmix64). */
uint64_t random_next(uint64_t *state);
/* At most max, and small ones as likely as large ones. */
uint64_t random_upto(uint64_t *state, uint64_t max);

#endif
