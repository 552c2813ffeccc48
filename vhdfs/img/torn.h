/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Torn copies: a raw disk that is written while it is copied gives a copy that
 * the disk never was.
 *
 * A view of a mount says how many changes its clients have begun and how many
 * of them are flushed (user.vhdfs.writes).  A copy is the disk of one moment
 * where all were flushed when it began and none has begun since.  Of another
 * file its size and times tell.
 */
#ifndef VHDFS_IMG_TORN_H
#define VHDFS_IMG_TORN_H

#include "io/io-file.h"

struct torn {
	const struct io *io; /* null: nothing is watched */
	char writes[64];     /* of a view, else empty */
	struct file_stamp stamp;
};

/* Begins to watch io, which stays open.  -EBUSY with words where a client of
 * the view has changes that are not flushed. */
int torn_watch(struct torn *torn, const struct io *io);
/* -EBUSY with words that name the writer where io was changed since. */
int torn_check(const struct torn *torn);

#endif
