/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Torn copies: detect that a raw disk is written during its copy.
 *
 * Such a copy mixes old and new sectors: it equals the disk at no moment.  A
 * copy of a view (pending-writes.h) is whole if all changes were flushed when
 * the copy began, and none has begun since.  A copy of another file is whole if
 * the file kept its size and times.
 */
#ifndef VHDFS_IMG_TORN_H
#define VHDFS_IMG_TORN_H

#include "io/io-file.h"

struct torn {
	const struct io *io; /* null: do not check */
	char writes[64];     /* user.vhdfs.writes of a view, else empty */
	struct file_stamp stamp;
};

/* Called before the copy begins; io stays open during the copy.  -EBUSY with a
 * message: a client of the view has unflushed changes. */
int torn_begin(struct torn *torn, const struct io *io);
/* -EBUSY with a message that names the writer: io changed since torn_begin. */
int torn_check(const struct torn *torn);

#endif
