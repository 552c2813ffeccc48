/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remote disk in a build without libnbd: every open fails. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "img/remote.h"
#include "io/rootdir.h"

static int refuse(const struct root_dir *rootdir, const char *path,
		  bool writable, struct io **ret, char **ret_real)
{
	_cleanup_free_ char *name = remote_name(path);

	(void)rootdir;
	(void)writable;
	(void)ret;
	(void)ret_real;
	return fail(-EOPNOTSUPP,
		    "%s: this build of vhdfs-img has no libnbd, which reads "
		    "NBD disks; build it with libnbd, or copy the disk to a "
		    "file with nbdcopy or qemu-img convert -O raw",
		    name ? name : "NBD URI");
}

static const struct root_dir_ops none_ops = { .open = refuse };

const struct root_dir remote_root_dir = { .ops = &none_ops, .fd = -1 };

int remote_refuse_container(struct io *io)
{
	(void)io;
	return 0;
}

void remote_advise(const struct io *io)
{
	(void)io;
}
