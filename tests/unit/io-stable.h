/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Durable copy of a file: a second file that contains only synced changes, the
 * worst case after a power cut.
 *
 * A sync covers the changes that had finished when it began.
 */
#ifndef VHDFS_TESTS_IO_STABLE_H
#define VHDFS_TESTS_IO_STABLE_H

#include "unit/io-pause.h"

/* path is a copy of the file, made before the file is attached. */
struct stable *stable_new(const char *path);
/* The listener for pause_attach. */
struct pause_listener *stable_listener(struct stable *stable);
/* The copy does not change between hold and release. */
void stable_hold(struct stable *stable);
void stable_release(struct stable *stable);
void stable_free(struct stable *stable);

/* Copies a file with its holes. */
void copy_file(const char *from, const char *to);

#endif
