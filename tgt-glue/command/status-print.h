/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Printers of the status model; each prints to standard output. */
#ifndef TGT_GLUE_COMMAND_STATUS_PRINT_H
#define TGT_GLUE_COMMAND_STATUS_PRINT_H

#include <jansson.h>

#include "tgt-glue/command/status.h"

/* A table of 79 columns. */
void status_print_table(const struct status *s);
/* The JSON object, which the caller releases; null: out of memory. */
json_t *status_json(const struct status *s);
/* One JSON object, or nothing where memory runs out: 0, or -ENOMEM with a
 * message. */
int status_print_json(const struct status *s);
/* Prometheus' text format. */
void status_print_prometheus(const struct status *s);

#endif
