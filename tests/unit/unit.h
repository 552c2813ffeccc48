/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tools for all unit tests: cmocka, assertions on error codes, scratch
 * directories, random numbers.  Each unit test includes it first.
 */
#ifndef VHDFS_TESTS_UNIT_H
#define VHDFS_TESTS_UNIT_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the library's, of base/error.h */
/* cmocka 2 deprecates the former name. */
#ifdef assert_uint_in_range
#undef assert_in_range
#define assert_in_range assert_uint_in_range
#endif

struct io;

/* Fails the test, with the library's last message, if r is negative. */
#define assert_ok(r) assert_ok_(r, #r, __FILE__, __LINE__)
void assert_ok_(int r, const char *expression, const char *file, int line);
/* Fails the test unless r is the negative errno code. */
#define assert_errno(r, code) assert_errno_(r, code, #r, __FILE__, __LINE__)
void assert_errno_(int r, int code, const char *expression, const char *file,
		   int line);

/*
 * Create and remove a scratch directory: cmocka's setup and teardown functions;
 * *state is its path.  scratch_path returns a path in it, valid until the
 * eighth next call.
 */
int scratch_setup(void **state);
int scratch_teardown(void **state);
const char *scratch_path(void **state, const char *name);

/* Creates an empty file, and opens it for writing. */
struct io *create_file(const char *path);

/* Prints and returns the seed: VHDFS_SEED if that is set, else the time. */
uint64_t seed_from_environment(void);
/*
 * The deadline of a test that repeats with new seeds: brief seconds from now.
 * If VHDFS_LONG is set, the 1/parts part of VHDFS_LONG minutes.
 */
double test_deadline(double brief, unsigned parts);
bool test_time_is_left(double deadline);
/* The next random number (splitmix64). */
uint64_t random_next(uint64_t *state);
/* A random number from 0 to max; small ones are as likely as large ones. */
uint64_t random_upto(uint64_t *state, uint64_t max);

#endif
