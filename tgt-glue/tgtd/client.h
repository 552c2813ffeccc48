/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The running tgtd, spoken to over its management socket: what tgtadm does,
 * but secrets stay out of command lines, where `ps' shows them.
 *
 * The request's layout is tgt's own affair and written down nowhere; here it is
 * as 1.0.85 has it.  tgtd_open asks a harmless question first and fails with
 * words where the answer is not understood.
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
};

#define TGTD_NO_TID (-1)
#define TGTD_NO_LUN UINT64_MAX

struct tgtd {
	struct sockaddr_un address;
	/* When tgtd_open asked: */
	bool ready;         /* in service, see tgtd_ready */
	char instance[112]; /* when and as which process tgtd was started:
			     * another word after each start */
};

struct tgtd_request {
	enum tgtd_mode mode;
	enum tgtd_op op;
	int32_t tid;  /* TGTD_NO_TID for none */
	uint64_t lun; /* TGTD_NO_LUN for none */
	uint64_t sid;
	uint32_t cid;
	bool outgoing;      /* an account's direction */
	const char *params; /* "key=value,...", or null */
};

/* -ECONNREFUSED or -ENOENT with words where no tgtd listens. */
int tgtd_open(int control_port, struct tgtd *ret);
/*
 * Asks, and waits for the answer, at most a minute.  *ret_text (may be null;
 * the caller's to free) is what it says.  Where tgtd refuses: -EBUSY for what
 * is in use, -EEXIST, -ENOENT, -EIO for all else, with its words.
 */
int tgtd_ask(const struct tgtd *tgtd, const struct tgtd_request *request,
	     char **ret_text);

/* Is it in service? 1, or 0 while tgt-admin gives it its targets and while it
 * is being stopped.  An error of tgtd_ask where it has ended. */
int tgtd_ready(const struct tgtd *tgtd);

/*
 * As tgtd_ask; *ret_pid is the process that answered, 0 if it is in another pid
 * namespace.
 */
int tgtd_ask_process(const struct tgtd *tgtd,
		     const struct tgtd_request *request, char **ret_text,
		     pid_t *ret_pid);
/* The time of that start, or -errno without words. */
int tgtd_started(const struct tgtd *tgtd, struct timespec *ret);

#endif
