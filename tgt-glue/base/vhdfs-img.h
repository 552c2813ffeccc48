/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the program vhdfs-img, for changes of images. */
#ifndef TGT_GLUE_BASE_VHDFS_IMG_H
#define TGT_GLUE_BASE_VHDFS_IMG_H

#include <stddef.h>

/*
 * Runs vhdfs-img, found through PATH, and waits for its end.  argv is its
 * argument list, null-ended, and begins with "vhdfs-img".  What it prints to
 * standard output is dropped.  While it runs, SIGINT and SIGQUIT of the
 * terminal end it, and not the caller.
 *
 * 0, or -errno with a message: vhdfs-img's own, or why it cannot be run.  For
 * one thread at a time.
 */
int vhdfs_img_run(const char *const argv[]);
/* The same, but returns the exit status, and in line, of size bytes, the first
 * line of its output and messages, or "". */
int vhdfs_img_status(const char *const argv[], char *line, size_t size);

#endif
