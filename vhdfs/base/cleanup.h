/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scoped cleanup: a variable's resource is released at the end of its scope. */
#ifndef VHDFS_BASE_CLEANUP_H
#define VHDFS_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <unistd.h>

/* The cleanup may be the only use of the variable: clang would warn. */
#define _cleanup_(f) __attribute__((cleanup(f), unused))

/* Defines f_p(T *p) for _cleanup_(): calls f(*p) unless *p is null. */
#define DEFINE_CLEANUP(T, f)           \
	static inline void f##_p(T *p) \
	{                              \
		if (*p)                \
			f(*p);         \
	}                              \
	struct cleanup_semicolon

static inline void free_p(void *p)
{
	free(*(void **)p);
}

static inline void close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

DEFINE_CLEANUP(DIR *, closedir);
DEFINE_CLEANUP(FILE *, fclose);

#define _cleanup_free_ _cleanup_(free_p)
#define _cleanup_close_ _cleanup_(close_p)
#define _cleanup_closedir_ _cleanup_(closedir_p)
#define _cleanup_fclose_ _cleanup_(fclose_p)

/* Transfers ownership out of pointer p: returns its value and sets p to null.
 */
#define steal(p)                             \
	({                                   \
		__typeof__(p) stolen_ = (p); \
		(p) = NULL;                  \
		stolen_;                     \
	})

/* The same for a file descriptor: sets *fd to -1. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif
