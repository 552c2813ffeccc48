/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Error reporting: a negative errno as the return value, and a message of one
 * line in thread-local storage.
 *
 * A function of the library returns 0 or a positive number on success and a
 * negative errno on failure.  The function that detects the failure sets the
 * message, once, with one of the fail functions; its callers only return the
 * code.  A program reads the message with error_text and prints it.  A message
 * is always printable (printable.h), even if it quotes file names or bytes of
 * an image.
 *
 * A comment "-EINVAL without a message" in a header means that the function
 * returns the code and leaves the thread's message as it was.  Every other
 * failure sets the message.
 *
 * CODES
 *   -EIO         an error of the device
 *   -EBADMSG     malformed bytes, or a wrong checksum
 *   -EOPNOTSUPP  valid, but not supported
 *   -EROFS       the file is open for reading only
 *   -ESTALE      the parent is not the one that the child names
 *   -ENOENT      the file, or a parent, is missing
 *   -ELOOP       the chain of parents is a cycle, or too deep
 *   -ENOSPC      the file system is full
 *   -EFBIG       the result would be larger than the format allows
 *   -EBUSY       another process has the image locked
 *   -EINVAL      invalid arguments
 */
#ifndef VHDFS_BASE_ERROR_H
#define VHDFS_BASE_ERROR_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#define ERROR_NO_OFFSET UINT64_MAX

/* The thread's last failure.  All strings are NUL-terminated. */
struct error {
	int code;           /* the negative errno */
	uint64_t offset;    /* in the file, in bytes, or ERROR_NO_OFFSET */
	char file[256];     /* set by fail_found, else empty, as the next 3 */
	char structure[64]; /* the structure of the file format */
	char expected[160];
	char found[192];
	char text[768]; /* the message: one line */
};

/* Sets the message, by convention "FILE: problem; remedy".  Returns code. */
int fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As fail(), with ": " and strerror(-code) appended. */
int fail_errno(int code, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Reports an invalid structure in a file.  The message is
 * "FILE: STRUCTURE at offset N: expected EXPECTED, found FOUND"; without
 * " at offset N" if offset is ERROR_NO_OFFSET.  expected is plain text
 * (format_arg() formats one), found_fmt is a format.  Returns code, by
 * convention -EBADMSG or -EOPNOTSUPP.
 */
int fail_found(int code, const char *file, const char *structure,
	       uint64_t offset, const char *expected, const char *found_fmt,
	       ...) __attribute__((format(printf, 6, 7)));

/* Appends "; " and a remedy to the thread's message. */
void error_advise(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Formats an argument for the functions above.  The result is in one of four
 * thread-local buffers and is valid until the thread's fourth next call.
 */
const char *format_arg(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* Formats a list of words that are separated by spaces, "a b c" as
 * "a, b or c", into a buffer of format_arg. */
const char *format_or(const char *words);

/*
 * Quotes text as one word of a shell command, if it needs quotes, for a command
 * in a message.  Returns text itself, or one of four thread-local buffers that
 * is valid until the thread's fourth next call.  Longer than 4 KiB: truncated.
 */
const char *shell_word(const char *text);
/* Quotes the path dir/name.  Valid until the thread's next call. */
const char *shell_path(const char *dir, const char *name);

/* The thread's last failure, and its message.  Never null; all zeros before the
 * first failure. */
const struct error *error_last(void);
const char *error_text(void);

/* Restores a failure that was saved from error_last, perhaps in another thread.
 */
void error_set(const struct error *err);

/*
 * True for transient errors of the host (I/O, memory, descriptors): the file's
 * content is unknown, not wrong, and a later attempt may succeed.
 */
static inline bool error_is_passing(int code)
{
	return code == -EIO || code == -ENOMEM || code == -EMFILE ||
	       code == -ENFILE;
}

/* The file system or a quota is full. */
static inline bool error_is_no_space(int code)
{
	return code == -ENOSPC || code == -EDQUOT;
}

#endif
