/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identity of a file: its device and inode number, under all its names. */
#ifndef VHDFS_IO_FILE_ID_H
#define VHDFS_IO_FILE_ID_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Zeros: unknown. */
struct file_id {
	dev_t dev;
	ino_t ino;
};

static inline struct file_id file_id_of(const struct stat *st)
{
	return (struct file_id){ st->st_dev, st->st_ino };
}

static inline bool file_id_equal(struct file_id a, struct file_id b)
{
	return a.dev == b.dev && a.ino == b.ino;
}

#endif
