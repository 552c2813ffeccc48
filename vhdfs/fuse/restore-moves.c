/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupted moves of disks: decided by the name of the new leaf's file. */
#include "config.h"

#include "fuse/restore-moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "io/io-file.h"
#include "io/recovery.h"
#include "store/image-names.h"

/* Has the file, which the predecessor created and has open, got the name of the
 * image? */
static bool was_renamed(struct file_id file)
{
	int fd = recovery_file_fd(file.dev, file.ino);
	_cleanup_free_ char *path = fd < 0 ? NULL : fd_path(fd);

	return path && !name_is_new_leaf(path);
}

/* Opens the file of an old leaf for reading, and closes the descriptor with
 * which it was written; one of them has the lock at every moment. */
static int demote(struct file_id file, struct io **ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	struct io *reader;
	int r = io_file_inherit(file.dev, file.ino, true, &io);

	if (r < 0)
		return r;
	r = io_lock(io, IO_LOCK_SHARED);
	if (r == 0)
		r = io_file_reopen(io, &reader);
	if (r < 0)
		return r;
	r = io_lock(reader, IO_LOCK_SHARED);
	if (r < 0)
		io_close(reader);
	else
		*ret = reader;
	return r;
}

static void keep(struct restored_moves *moves, struct io *io)
{
	struct io **v = reallocarray(moves->v, moves->n + 1, sizeof(*v));

	if (!v) {
		io_close(io);
		return;
	}
	moves->v = v;
	moves->v[moves->n++] = io;
}

static void restore_move(void *ctx, struct recovery_move *move)
{
	struct restored_moves *moves = ctx;
	struct io *reader = NULL;
	int r;

	if (atomic_load(&move->state) == RECOVERY_MOVE_BEGUN &&
	    was_renamed(move->to))
		recovery_move_finish(move);
	if (atomic_load(&move->state) == RECOVERY_MOVE_DONE) {
		r = demote(move->from, &reader);
		if (r < 0 && r != -ENOENT)
			log_error("%s", error_text());
	}
	recovery_move_end(move);
	if (reader)
		keep(moves, reader);
}

void restore_moves_begin(struct restored_moves *moves)
{
	recovery_each_move(restore_move, moves);
	recovery_discard_readers();
}

void restore_moves_end(struct restored_moves *moves)
{
	while (moves->n)
		io_close(moves->v[--moves->n]);
	free(moves->v);
}
