/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Torn copies: detect that a raw disk is written during its copy. */
#include "config.h"

#include "img/torn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "img/pending-writes.h"
#include "io/holder.h"

/* user.vhdfs.writes of a view; empty for another file. */
static void get_writes(const struct io *io, char *buf, size_t size)
{
	ssize_t n = fgetxattr(io->fd, "user.vhdfs.writes", buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
}

static int refuse(const struct io *io, const char *state)
{
	char writer[80];

	holder_of_writes(io->fd, writer, sizeof writer);
	return fail(
		-EBUSY,
		"%s: %s%s; shut its client down and log it out, or copy "
		"it in this state with --force (like after a power failure)",
		io->name, state, writer);
}

int torn_begin(struct torn *torn, const struct io *io)
{
	int r = io_file_stamp(io, &torn->stamp);

	if (r < 0)
		return r;
	get_writes(io, torn->writes, sizeof torn->writes);
	torn->io = io;
	if (pending_writes_of_view(torn->writes))
		return refuse(io, "the disk is being written");
	return 0;
}

int torn_check(const struct torn *torn)
{
	char writes[sizeof torn->writes];
	struct file_stamp stamp;
	int r;

	if (!torn->io)
		return 0;
	get_writes(torn->io, writes, sizeof writes);
	if (*torn->writes)
		return strcmp(writes, torn->writes)
			       ? refuse(torn->io,
					"the disk was written during the copy")
			       : 0;
	r = io_file_stamp(torn->io, &stamp);
	if (r < 0)
		return r;
	return file_stamp_same_data(&stamp, &torn->stamp)
		       ? 0
		       : refuse(torn->io,
				"the file was written during the copy");
}
