/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying owner, mode and extended attributes from one open file to another. */
#include "config.h"

#include "store/copy-attributes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/lent-bit.h"

/* Linux's limits for a list of names and for a value. */
enum { LIST_MAX = 64 * 1024, VALUE_MAX = 64 * 1024 };

static int copy_one(int from, int to, const char *attribute, void *value,
		    const char *name)
{
	ssize_t n = fgetxattr(from, attribute, value, VALUE_MAX);

	if (n < 0 && errno == ENODATA)
		return 0;
	if (n >= 0 && fsetxattr(to, attribute, value, n, 0) == 0)
		return 0;
	/* Labels of security modules, and trusted attributes. */
	if (strncmp(attribute, "user.", 5) != 0 &&
	    strncmp(attribute, "system.posix_acl", 16) != 0)
		return 0;
	return fail_errno(-errno, "%s: copy of attribute %s", name, attribute);
}

static int copy_all(int from, int to, const char *except, char *list,
		    void *value, const char *name)
{
	ssize_t n = flistxattr(from, list, LIST_MAX);
	int r = 0;

	if (n < 0)
		return errno == EOPNOTSUPP
			       ? 0
			       : fail_errno(-errno, "%s: attributes", name);
	for (char *at = list; r == 0 && at < list + n; at += strlen(at) + 1)
		if (strcmp(at, except) != 0)
			r = copy_one(from, to, at, value, name);
	return r;
}

int copy_attributes(int from, int to, const char *except, const char *name)
{
	_cleanup_free_ char *list = malloc(LIST_MAX);
	_cleanup_free_ void *value = malloc(VALUE_MAX);
	struct stat st, now;
	int r;

	if (!list || !value)
		return fail(-ENOMEM, "%s: out of memory", name);
	if (fstat(from, &st) < 0 || fstat(to, &now) < 0)
		return fail_errno(-errno, "%s", name);
	if ((st.st_uid != now.st_uid || st.st_gid != now.st_gid) &&
	    fchown(to, st.st_uid, st.st_gid) < 0)
		return fail_errno(-errno, "%s: copy of owner %u and group %u",
				  name, st.st_uid, st.st_gid);
	r = copy_all(from, to, except, list, value, name);
	if (r == 0 && fchmod(to, mode_without_lent(st.st_mode) & 07777) < 0)
		r = fail_errno(-errno, "%s: copy of the mode", name);
	return r;
}
