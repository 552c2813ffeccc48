/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Warning: a parent's file was modified after its child was made.
 *
 * Other programs do not change the identity of a VHD that they write, so a
 * child cannot detect a changed parent by its identity, as a VHDX can.  But
 * the child stores the modification time that the parent's file had.  A copy or
 * a restored backup may have another time and the same contents, so a
 * difference is a warning and no error.  Windows stores no time (0).
 */
#include "config.h"

#include "chain/parent-warning.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"

/* As 2026-11-28T10:00:00Z; in buf. */
static const char *time_text(int64_t seconds, char *buf, size_t size)
{
	time_t t = seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    !strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(buf, size, "%" PRId64, seconds);
	return buf;
}

static int format_warning(const struct image *child, const struct io *parent,
			  const struct parent_ref *ref, int64_t mtime,
			  char **ret)
{
	char was[32], is[32];

	if (asprintf(ret,
		     "%s: parent time stamp at offset %" PRIu64
		     ": expected a parent last written at %s, found %s last "
		     "written at %s; if it was only copied or restored, the "
		     "child is right, else restore the parent that the child "
		     "was made from",
		     child->io->name, ref->mtime_off,
		     time_text(ref->mtime, was, sizeof was), parent->name,
		     time_text(mtime, is, sizeof is)) < 0) {
		*ret = NULL;
		return fail(-ENOMEM, "out of memory");
	}
	return 0;
}

int parent_time_warning(const struct image *child, const struct io *parent,
			const struct parent_ref *ref, char **ret)
{
	struct stat st;

	*ret = NULL;
	if (!ref->mtime || parent->fd < 0)
		return 0;
	if (fstat(parent->fd, &st) < 0)
		return fail_errno(-errno, "%s", parent->name);
	return st.st_mtime == ref->mtime
		       ? 0
		       : format_warning(child, parent, ref, st.st_mtime, ret);
}
