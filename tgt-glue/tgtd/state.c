/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tgtd's state, parsed from its answers.
 *
 * The answer to "show target" has lines that are indented by level:
 *
 *     Target 1: iqn.2026-01.lan.example:pc1
 *         I_T nexus information:
 *             I_T nexus: 2
 *                 Initiator: iqn.1991-05.com.microsoft:pc1 alias: none
 *                 Connection: 0
 *                     IP Address: 10.0.0.7
 *         LUN information:
 *             LUN: 1
 *                 SCSI ID: ...
 *         Account information:
 *             user
 *             other (outgoing)
 *         ACL information:
 *             10.0.0.0/24
 *
 * Accounts and access rules are free text, so the indent of a line decides its
 * meaning, not its text.
 *
 * FORGED LINES.  tgtd prints an initiator's name and alias as the initiator
 * sent them.  With a line break in them, an initiator that is admitted to one
 * target could write the rest of the answer, other targets included.  Sessions
 * are therefore taken from a second answer of tgtd, about one target, which has
 * the name and no alias (connections.c).  Its lines have other indents than
 * those here:
 *
 *  - A name with further lines that fit one answer does not fit the other.
 *  - An alias that continues with lines about sessions changes nothing, because
 *    sessions are not taken from here.  An alias that ends the sessions makes
 *    its target's part "LUN information" occur twice, or begins another target:
 *    one that occurs twice, or one whose connections tgtd does not know.
 *
 *    tgtd is not asked for the connections of a target without sessions.  The
 *    lines about a connection that follow are then outside of sessions.
 *
 * Each of these is an error (-EBADMSG), and nothing of the answer is used.
 *
 * WHICH SESSIONS ARE ENDED.  Those of the target that the forging initiator is
 * logged in to (forged_tid): the target whose second answer has forged lines;
 * else the one in front of a target that tgtd does not know; else the one that
 * the line belongs to, if that target occurs once.  A target of another
 * initiator is none of these.
 */
#include "config.h"

#include "tgt-glue/tgtd/state.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

enum { TRIES = 5 };

enum part { PART_SYSTEM, PART_NEXUS, PART_LUN, PART_ACCOUNT, PART_ACL };

struct parser {
	struct tgtd_state *live;
	struct tgtd_target *target; /* the current one, or null */
	enum part part;
	unsigned seen; /* parts of the target that were read, one bit each */
	struct tgtd_lun *lun; /* of the lines now; null: LUN 0, or none */
};

#define ADVICE \
	"an initiator's name or alias may have a line break; take its machine out of the network; `tgtadm --op show --mode target' shows its sessions"

/* How much of a line a message shows: it is the initiator's text, and what to
 * type comes behind it. */
#define LINE_SHOWN "60"

static int fail_line(const struct parser *p, const char *expected,
		     const char *line)
{
	p->live->forged_tid = p->target ? p->target->tid : 0;
	return fail(
		-EBADMSG,
		"tgtd's list of targets, target %d: expected %s, found '%." LINE_SHOWN
		"s': " ADVICE,
		p->live->forged_tid, expected, line);
}

/* Forged only among the sessions: an administrator's path or account may have
 * line breaks, too. */
static int stray_line(const struct parser *p, const char *expected,
		      const char *line)
{
	return p->part == PART_NEXUS ? fail_line(p, expected, line) : 0;
}

/* After a failure: forgets forged_tid if the rest of the list has that target
 * again. */
static void check_forged(struct tgtd_state *live, char *text)
{
	int tid;

	for (char *line; (line = tgtd_state_next_line(&text));)
		if (sscanf(line, "Target %d:", &tid) == 1 &&
		    tid == live->forged_tid)
			live->forged_tid = 0;
}

static int start_target(struct parser *p, const char *line)
{
	struct tgtd_state *live = p->live;
	char name[512];
	int tid;

	if (sscanf(line, "Target %d: %511s", &tid, name) != 2)
		return stray_line(p, "a target", line);
	if (tgtd_state_target_by_tid(live, tid)) {
		int r = fail_line(p, "each target once", line);

		/* Either of both may be the forged one. */
		live->forged_tid = 0;
		return r;
	}
	live->targets = arena_grow(&live->arena, live->targets, live->n,
				   sizeof *live->targets);
	p->part = PART_SYSTEM;
	p->seen = 0;
	p->lun = NULL;
	p->target = &live->targets[live->n];
	p->target->tid = tid;
	p->target->name = arena_strdup(&live->arena, name);
	index_add(&live->arena, &live->names, p->target->name, live->n++);
	return 0;
}

static int start_part(struct parser *p, const char *line)
{
	static const char *const titles[] = {
		[PART_SYSTEM] = "System information:",
		[PART_NEXUS] = "I_T nexus information:",
		[PART_LUN] = "LUN information:",
		[PART_ACCOUNT] = "Account information:",
		[PART_ACL] = "ACL information:",
	};

	for (unsigned i = 0; i < sizeof titles / sizeof *titles; i++) {
		if (strcmp(line, titles[i]) != 0)
			continue;
		if (p->seen & 1u << i)
			return fail_line(p, "each part once", line);
		p->seen |= 1u << i;
		p->part = i;
		return 0;
	}
	return stray_line(p, "the title of a part", line);
}

/* True if the line has that key at that indent. */
static bool is_line(size_t indent, const char *line, size_t want,
		    const char *key)
{
	return indent == want && tgtd_state_value(line, key);
}

/* Sessions are taken from another answer (connections.c). */
static int check_nexus(struct parser *p, size_t indent, const char *line)
{
	p->target->logged_in = true;
	if (is_line(indent, line, 8, "I_T nexus: ") ||
	    is_line(indent, line, 12, "Initiator: ") ||
	    is_line(indent, line, 12, "Connection: ") ||
	    is_line(indent, line, 16, "IP Address: "))
		return 0;
	return fail_line(p, "a line about a session", line);
}

static void start_lun(struct parser *p, unsigned number)
{
	struct tgtd_target *t = p->target;

	p->lun = NULL;
	if (!number)
		return;
	t->luns = arena_grow(&p->live->arena, t->luns, t->n_luns,
			     sizeof *t->luns);
	p->lun = &t->luns[t->n_luns++];
	p->lun->number = number;
}

/* Sets *ret if the line has that key and a value. */
static void take_text(struct parser *p, const char *line, const char *key,
		      const char **ret)
{
	const char *value = tgtd_state_value(line, key);

	if (value && strcmp(value, "None") != 0)
		*ret = arena_strdup(&p->live->arena, value);
}

static void take_flag(const char *line, const char *key, bool *ret)
{
	const char *value = tgtd_state_value(line, key);

	if (value)
		*ret = !strcmp(value, "Yes");
}

static void parse_lun(struct parser *p, const char *line)
{
	const char *value = tgtd_state_value(line, "LUN: ");
	struct tgtd_lun *lun = p->lun;

	if (value)
		start_lun(p, (unsigned)strtoul(value, NULL, 10));
	if (value || !lun)
		return;
	if (!strcmp(line, "Type: cd/dvd"))
		lun->cd = true;
	take_text(p, line, "SCSI ID: ", &lun->scsi_id);
	take_text(p, line, "SCSI SN: ", &lun->scsi_sn);
	sscanf(line, "Size: %*[^,], Block size: %" SCNu32, &lun->block_size);
	take_flag(line, "Online: ", &lun->online);
	take_flag(line, "Readonly: ", &lun->readonly);
	take_flag(line, "Thin-provisioning: ", &lun->thin);
	take_text(p, line, "Backing store type: ", &lun->bs_type);
	take_text(p, line, "Backing store path: ", &lun->path);
}

static void parse_account(struct parser *p, const char *line)
{
	static const char mark[] = " (outgoing)";
	size_t n = strlen(line), m = sizeof mark - 1;

	if (n > m && !strcmp(line + n - m, mark))
		p->target->outgoing = arena_printf(&p->live->arena, "%.*s",
						   (int)(n - m), line);
	else
		strings_add(&p->live->arena, &p->target->accounts,
			    arena_strdup(&p->live->arena, line));
}

static int parse_line(struct parser *p, size_t indent, const char *line)
{
	/* See FORGED LINES. */
	if (p->part != PART_NEXUS && is_line(indent, line, 12, "Connection: "))
		return fail_line(p, "no session here", line);
	if (indent == 0)
		return start_target(p, line);
	if (!p->target)
		return 0;
	if (indent == 4)
		return start_part(p, line);
	if (p->part == PART_NEXUS)
		return check_nexus(p, indent, line);
	if (p->part == PART_LUN)
		parse_lun(p, line);
	else if (p->part == PART_ACCOUNT)
		parse_account(p, line);
	else if (p->part == PART_ACL)
		strings_add(&p->live->arena, &p->target->acl,
			    arena_strdup(&p->live->arena, line));
	return 0;
}

/* The value of "KEY: VALUE" where the line has that key, else null. */
const char *tgtd_state_value(const char *line, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(line, key, n) ? line + n : NULL;
}

char *tgtd_state_next_line(char **text)
{
	char *line = strsep(text, "\n");
	size_t n = line ? strlen(line) : 0;

	while (n && line[n - 1] == ' ')
		line[--n] = '\0';
	return line;
}

int tgtd_state_parse(struct tgtd_state *live, char *text)
{
	struct parser p = { .live = live };
	int r = 0;

	for (char *line; r == 0 && (line = tgtd_state_next_line(&text));) {
		size_t indent = strspn(line, " ");

		if (line[indent])
			r = parse_line(&p, indent, line + indent);
	}
	if (r < 0)
		check_forged(live, text);
	return r;
}

/* A target that tgtd does not know is forged by an initiator of the one before
 * it. */
static int read_sessions(const struct tgtd *tgtd, struct tgtd_state *live,
			 bool all)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < live->n; i++) {
		struct tgtd_target *t = &live->targets[i];

		if (t->logged_in || all)
			r = tgtd_state_connections(tgtd, &live->arena, t);
		if (r == -EBADMSG)
			live->forged_tid = t->tid;
		else if (r == -ENOENT)
			live->forged_tid = i ? t[-1].tid : 0;
	}
	return r;
}

/* After a message with ADVICE: whose sessions forged_tid says are to end. */
static void advise_end(const struct tgtd_state *live)
{
	const struct tgtd_target *t =
		tgtd_state_target_by_tid(live, live->forged_tid);

	if (t)
		error_advise(
			"it is logged in to target %d, %s, and `tgt-glue apply' ends its session",
			t->tid, t->name);
}

static int read_targets(const struct tgtd *tgtd, struct tgtd_state *live)
{
	_cleanup_free_ char *text = NULL;
	struct error why;
	int r = tgtd_ask(tgtd, TGTD_TARGET, TGTD_SHOW, TGTD_NO_TID, &text);

	live->pid = tgtd->pid;
	if (r == 0)
		r = tgtd_state_parse(live, text);
	if (r != -EBADMSG)
		return r < 0 ? r : read_sessions(tgtd, live, false);
	why = *error_last();
	read_sessions(tgtd, live, true);
	error_set(&why);
	advise_end(live);
	return r;
}

int tgtd_state_read_accounts(const struct tgtd *tgtd, struct tgtd_state *live)
{
	_cleanup_free_ char *text = NULL;
	int r = tgtd_ask(tgtd, TGTD_ACCOUNT, TGTD_SHOW, TGTD_NO_TID, &text);
	char *rest = text;

	for (char *line; (line = tgtd_state_next_line(&rest));)
		if (!strncmp(line, "    ", 4))
			strings_add(&live->arena, &live->accounts,
				    arena_strdup(&live->arena, line + 4));
	return r;
}

int tgtd_state_read(const struct tgtd *tgtd, struct tgtd_state *ret)
{
	int32_t forged;
	int r = -ENOENT;

	memset(ret, 0, sizeof *ret);
	/* A target may be deleted between the two answers. */
	for (unsigned i = 0; r == -ENOENT && i < TRIES; i++) {
		tgtd_state_fini(ret);
		r = read_targets(tgtd, ret);
	}
	if (r == -ENOENT) {
		r = fail(
			-EBADMSG,
			"tgtd's list of targets: expected targets that tgtd knows, found another after target %d: " ADVICE,
			ret->forged_tid);
		advise_end(ret);
	}
	if (r == 0)
		return 0;
	/* No part of the answer is used. */
	forged = ret->forged_tid;
	tgtd_state_fini(ret);
	ret->forged_tid = forged;
	return r;
}

struct tgtd_lun *tgtd_state_lun(const struct tgtd_target *target,
				unsigned number)
{
	for (size_t i = 0; i < target->n_luns; i++)
		if (target->luns[i].number == number)
			return &target->luns[i];
	return NULL;
}

int tgtd_state_pid(const struct tgtd_state *live, pid_t *ret)
{
	if (!live->pid)
		return fail(
			-ESRCH,
			"tgtd: expected its process here, found it in another pid namespace");
	*ret = live->pid;
	return 0;
}

void tgtd_state_fini(struct tgtd_state *live)
{
	arena_fini(&live->arena);
	memset(live, 0, sizeof *live);
}

struct tgtd_target *tgtd_state_target(const struct tgtd_state *live,
				      const char *name)
{
	const size_t at = index_find(&live->names, name);

	return at == NOT_FOUND ? NULL : &live->targets[at];
}

struct tgtd_target *tgtd_state_target_by_tid(const struct tgtd_state *live,
					     int32_t tid)
{
	for (size_t i = 0; i < live->n; i++)
		if (live->targets[i].tid == tid)
			return &live->targets[i];
	return NULL;
}
