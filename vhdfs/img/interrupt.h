/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts: SIGINT, SIGTERM and SIGHUP remove the unfinished output file and
 * then end the program as usual.
 */
#ifndef VHDFS_IMG_INTERRUPT_H
#define VHDFS_IMG_INTERRUPT_H

#include "io/atomic-file.h"

/* Block and unblock these signals, around a short operation that must not be
 * interrupted. */
void interrupt_block(void);
void interrupt_unblock(void);

/*
 * atomic_file_create; from now on a signal removes the file, until the file is
 * published or atomic_file_fini is called.  For one file in the process.
 */
int interrupt_atomic_file_create(const char *path, const char *within,
				 struct atomic_file *ret);

#endif
