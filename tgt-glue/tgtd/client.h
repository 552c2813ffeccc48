/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client of tgtd's management socket: the requests that tgtadm sends.
 *
 * Secrets stay out of command lines, where `ps' shows them.
 *
 * tgt documents no layout of a request; this is the layout of tgt 1.0.85.
 * tgtd_open sends a harmless request first and fails with a message if the
 * answer is not the expected one.
 *
 * Each request needs a connection of its own: tgtd closes it after the answer.
 */
#ifndef TGT_GLUE_TGTD_CLIENT_H
#define TGT_GLUE_TGTD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>

enum tgtd_op {
	TGTD_NEW,
	TGTD_DELETE,
	TGTD_SHOW,
	TGTD_BIND,
	TGTD_UNBIND,
	TGTD_UPDATE,
	TGTD_STAT,
};

enum tgtd_mode {
	TGTD_SYSTEM,
	TGTD_TARGET,
	TGTD_LUN,
	TGTD_PORTAL,
	TGTD_LLD,
	TGTD_SESSION,
	TGTD_CONNECTION,
	TGTD_ACCOUNT,
	TGTD_OUTGOING_ACCOUNT,
};

#define TGTD_NO_TID (-1)

/* SCSI device types. */
enum tgtd_device { TGTD_DISK = 0, TGTD_CD = 5 };

/* A logical unit of a target. */
struct tgtd_unit {
	int32_t tid;
	unsigned lun;
	enum tgtd_device device; /* of a new one */
};

struct tgtd {
	struct sockaddr_un address;
	/* When tgtd_open asked: */
	bool ready; /* in service, see tgtd_ready */
	pid_t pid;  /* of the process that answered; 0: in another pid namespace
		     */
	struct timespec started;
	char instance[112]; /* when and as which process tgtd was started:
			     * another word after each start */
};

/* -ECONNREFUSED or -ENOENT with a message if no tgtd listens, -EACCES if it
 * answers another user only. */
int tgtd_open(int control_port, struct tgtd *ret);
/* Sets the seconds that this process waits for an answer, 60 if it does not:
 * less for what only shows the state.  To be called before any thread. */
void tgtd_set_patience(int seconds);
/*
 * Sends a request about the target tid, and waits for the answer, at most
 * as tgtd_set_patience says.  *ret_text (may be null; the caller frees it) is
 * the answer's text. If tgtd refuses: -EBUSY for a target or logical unit in
 * use, -EEXIST, -ENOENT, else -EIO, with tgtd's message.
 */
int tgtd_ask(const struct tgtd *tgtd, enum tgtd_mode mode, enum tgtd_op op,
	     int32_t tid, char **ret_text);
/* The same with parameters, "key=value,...", which may be secret. */
int tgtd_send(const struct tgtd *tgtd, enum tgtd_mode mode, enum tgtd_op op,
	      int32_t tid, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The same in the mode TGTD_LUN. */
int tgtd_send_lun(const struct tgtd *tgtd, enum tgtd_op op,
		  const struct tgtd_unit *unit, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int tgtd_delete_lun(const struct tgtd *tgtd, const struct tgtd_unit *unit);
/* Ends the connection, and its session with the last one. */
int tgtd_end_connection(const struct tgtd *tgtd, int32_t tid, uint64_t sid,
			uint32_t cid);

/* 1 if tgtd's system state is ready; 0 while tgt-admin gives it its targets
 * and while it is being stopped; an error of tgtd_ask if it has ended. */
int tgtd_ready(const struct tgtd *tgtd);

#endif
