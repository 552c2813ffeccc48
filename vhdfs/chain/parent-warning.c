/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Warnings: a parent's file was modified after its child was made.
 *
 * Nothing in a VHD changes its identifier when it is written, so a child cannot
 * tell a parent that was written by its identifier, as a VHDX can.  But the
 * child has the modification time that the parent's file had.  A copy or a
 * restored backup may have another one and be right, so a difference is a
 * warning, and never a reason to refuse.  Windows writes no time (0).
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "chain/chain.h"

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

static int tell(const struct image *child, const struct io *parent,
		const struct parent_ref *ref, int64_t mtime, char **ret)
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
		       : tell(child, parent, ref, st.st_mtime, ret);
}

int chain_warning(const struct chain *chain, unsigned depth, char **ret)
{
	struct image *child = chain_image(chain, depth);
	struct parent_ref ref;
	int r;

	*ret = NULL;
	if (depth == chain_depth(chain))
		return 0;
	r = image_parent(child, &ref);
	if (r < 0)
		return r;
	r = parent_time_warning(child, chain_image(chain, depth + 1)->io, &ref,
				ret);
	parent_ref_fini(&ref);
	return r;
}
