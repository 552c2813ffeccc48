/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small files of text that are written whole or not at all. */
#ifndef TGT_GLUE_BASE_TEXTFILE_H
#define TGT_GLUE_BASE_TEXTFILE_H

#include <sys/types.h>

#define TEXTFILE_ANY_GROUP ((gid_t)-1)

/*
 * Makes the file say this text, with this mode whatever the umask, and of this
 * group.  1 where it was written, 0 where all was so already.  It is on disk
 * then, and was never half there.
 */
int textfile_write(const char *path, const char *text, mode_t mode,
		   gid_t group);
/* What it says, "" where there is none; the caller's. */
int textfile_read(const char *path, char **ret_text);

#endif
