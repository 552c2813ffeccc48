/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What SIGINT, SIGTERM and SIGHUP do to unfinished files: they remove them, and
 * then end the program as they always do.
 */
#ifndef VHDFS_IMG_INTERRUPT_H
#define VHDFS_IMG_INTERRUPT_H

#include "io/atomic-file.h"

/* Holds those signals back, and lets them come: around what is short and must
 * be whole. */
void interrupt_hold(void);
void interrupt_release(void);

/* atomic_file_create; a signal removes the file from now on, until it has its
 * name or atomic_file_fini was called. One draft at a time. */
int interrupt_atomic_file_create(const char *path, const char *within,
				 struct atomic_file *ret);

#endif
