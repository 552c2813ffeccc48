/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors.  Every function of the library returns 0 or a positive number when
 * it succeeds and a negative errno when it fails.  The one that fails first
 * says why, once, with one of the fail functions; its callers only return.
 * The words wait in a place of the thread's own until a program shows them
 * (error_text).  They are printable (printable.h), whatever is
 * in the file names and the images that they speak of.
 *
 * The codes: -EIO the device; -EBADMSG malformed bytes or a wrong checksum;
 * -EOPNOTSUPP valid but not supported; -EROFS opened for reading only;
 * -ESTALE the parent is not the one the child names; -ENOENT a parent that is
 * missing; -ELOOP a chain that is a cycle or too deep; -ENOSPC; -EFBIG;
 * -EBUSY somebody else holds the image; -EINVAL a request that makes no sense.
 */
#ifndef VHDFS_BASE_ERROR_H
#define VHDFS_BASE_ERROR_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#define ERROR_NO_OFFSET UINT64_MAX

/* Why the thread's last failing call failed. All strings are NUL-ended. */
struct error {
	int code;           /* the negative errno */
	uint64_t offset;    /* in the file, bytes, or ERROR_NO_OFFSET */
	char file[256];     /* which file; empty where none is to blame */
	char structure[64]; /* which structure in it; may be empty */
	char expected[160]; /* may be empty */
	char found[192];    /* may be empty */
	char text[768];     /* all of it in one line */
};

/*
 * A failure that is no malformed structure: fmt is the whole line, by custom
 * "FILE: what happened; what to do".  Returns code.
 */
int fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As fail(), and ends the line with ": " and the words for code. */
int fail_errno(int code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * A structure that is not what it must be.  The line reads
 * "FILE: STRUCTURE at offset N: expected EXPECTED, found FOUND".
 * found_fmt is a format; expected is taken as it is (words() makes one that
 * has numbers in it).  Returns code, by custom -EBADMSG or -EOPNOTSUPP.
 */
int fail_found(int code, const char *file, const char *structure,
	       uint64_t offset, const char *expected, const char *found_fmt,
	       ...) __attribute__((format(printf, 6, 7)));

/* Adds "; " and what the user can do about it to the last failure's line. */
void error_advise(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Formats into one of four buffers of the thread's own, used in turn: for an
 * argument of the functions above only.
 */
const char *words(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A text as one word of a shell's command, in quotes where it needs them, for a
 * command in a message: in one of four buffers of the thread's own, used in
 * turn, or the text itself.
 */
const char *shell_word(const char *text);
/* The same of DIR/NAME; valid until the thread's next call of it. */
const char *shell_path(const char *dir, const char *name);

/* The thread's last failure; never null, and of no meaning before the first. */
const struct error *error_last(void);
const char *error_text(void);

/* Replaces the last failure, to hand one on that was kept. */
void error_set(const struct error *err);

/*
 * An error of the machine, which may be over in a moment: what a file contains
 * is not to blame, and nothing is known of it.
 */
static inline bool error_is_passing(int code)
{
	return code == -EIO || code == -ENOMEM || code == -EMFILE ||
	       code == -ENFILE;
}

#endif
