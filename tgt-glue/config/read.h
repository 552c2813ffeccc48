/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading fleet.conf and the files that it includes. */
#ifndef TGT_GLUE_CONFIG_READ_H
#define TGT_GLUE_CONFIG_READ_H

#include "tgt-glue/config/parse.h"

/*
 * Reads and parses the file.  Returns 0 also for a file with mistakes, which
 * are in conf->mistakes then.  Returns -errno with a message where the file
 * cannot be read, and -EINVAL where it is UTF-16.  Call conf_fini in every
 * case.
 */
int conf_read(const char *file, struct conf *conf);

#endif
