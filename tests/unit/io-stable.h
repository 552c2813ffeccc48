/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Beside a file, a second one that holds only what was synced: what a power cut
 * would leave in the worst case.  What was not finished when a sync began is
 * not covered by it.
 */
#ifndef VHDFS_TESTS_IO_STABLE_H
#define VHDFS_TESTS_IO_STABLE_H

#include "unit/io-pause.h"

/* path is a copy of the file as it is when it is attached. */
struct stable *stable_new(const char *path);
/* For pause_attach. */
struct pause_listener *stable_listener(struct stable *stable);
/* The copy has everything that was synced, and stays so until the next call. */
void stable_hold(struct stable *stable);
void stable_release(struct stable *stable);
void stable_free(struct stable *stable);

/* Makes a copy of a file, holes as holes. */
void copy_file(const char *from, const char *to);

#endif
