/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stop of a long command: SIGINT, SIGTERM and SIGHUP make it end at its next
 * safe place, after it has removed what is unfinished.
 */
#ifndef TGT_GLUE_BACKUP_STOP_H
#define TGT_GLUE_BACKUP_STOP_H

#include <stdbool.h>

/* Catches the signals from now on; those that are ignored stay so. */
void stop_catch(void);
/* Has one arrived?  Any thread. */
bool stop_wanted(void);
/* 0, or -EINTR with a message if one has arrived. */
int stop_check(void);

#endif
