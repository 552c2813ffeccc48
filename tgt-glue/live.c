/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tgtd answers in lines, indented by what they belong to:
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
 * Names of accounts and access rules are free text, so where a line stands
 * tells what it is, not what it looks like.
 */
#include "config.h"

#include "tgt-glue/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

enum part { PART_OTHER, PART_NEXUS, PART_LUN, PART_ACCOUNT, PART_ACL };

struct parser {
	struct live *live;
	struct live_target *target; /* the current one, or null */
	enum part part;
	/* Of the nexus and the logical unit that the lines are about. */
	uint64_t sid;
	const char *initiator;
	unsigned lun;
};

static void start_target(struct parser *p, const char *line)
{
	struct live *live = p->live;
	char name[512];
	int tid;

	p->target = NULL;
	p->part = PART_OTHER;
	if (sscanf(line, "Target %d: %511s", &tid, name) != 2)
		return;
	live->targets = pool_grow(&live->pool, live->targets, live->n,
				  sizeof *live->targets);
	p->target = &live->targets[live->n++];
	p->target->tid = tid;
	p->target->name = pool_strdup(&live->pool, name);
}

static void start_part(struct parser *p, const char *line)
{
	static const struct {
		const char *title;
		enum part part;
	} titles[] = { { "I_T nexus information:", PART_NEXUS },
		       { "LUN information:", PART_LUN },
		       { "Account information:", PART_ACCOUNT },
		       { "ACL information:", PART_ACL } };

	p->part = PART_OTHER;
	for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
		if (!strcmp(line, titles[i].title))
			p->part = titles[i].part;
}

/* The value of "KEY: VALUE" where the line has that key, else null. */
static const char *value_after(const char *line, const char *key)
{
	size_t n = strlen(key);

	return !strncmp(line, key, n) ? line + n : NULL;
}

static struct live_connection *
add_connection(struct pool *pool, struct live_connection **list, size_t *n)
{
	*list = pool_grow(pool, *list, *n, sizeof **list);
	return &(*list)[(*n)++];
}

static void take_nexus(struct parser *p, const char *line)
{
	struct live_target *t = p->target;
	struct pool *pool = &p->live->pool;
	struct live_connection *c;
	const char *value;

	if ((value = value_after(line, "I_T nexus: "))) {
		p->sid = strtoull(value, NULL, 10);
		p->initiator = "";
	} else if ((value = value_after(line, "Initiator: "))) {
		p->initiator = pool_printf(pool, "%.*s",
					   (int)strcspn(value, " "), value);
	} else if ((value = value_after(line, "Connection: "))) {
		c = add_connection(pool, &t->connections, &t->n_connections);
		c->sid = p->sid;
		c->cid = (uint32_t)strtoul(value, NULL, 10);
		c->initiator = p->initiator;
		c->address = "";
	} else if ((value = value_after(line, "IP Address: ")) &&
		   t->n_connections) {
		t->connections[t->n_connections - 1].address =
			pool_strdup(pool, value);
	}
}

static void start_lun(struct parser *p, unsigned lun)
{
	struct live_target *t = p->target;

	p->lun = lun;
	if (lun == 1)
		t->lun.exists = true;
	else if (lun)
		t->more_luns = true;
	if (lun)
		t->stores = pool_grow(&p->live->pool, t->stores, t->n_stores++,
				      sizeof *t->stores);
}

/* A line about the file of the current LUN. */
static void take_store(struct parser *p, const char *line)
{
	struct live_store *store = &p->target->stores[p->target->n_stores - 1];
	const char *value;

	if ((value = value_after(line, "Readonly: ")))
		store->readonly = !strcmp(value, "Yes");
	else if ((value = value_after(line, "Backing store path: ")) &&
		 strcmp(value, "None") != 0)
		store->path = pool_strdup(&p->live->pool, value);
}

static void take_lun(struct parser *p, const char *line)
{
	struct live_lun *lun = &p->target->lun;
	struct pool *pool = &p->live->pool;
	const char *value;

	if ((value = value_after(line, "LUN: "))) {
		start_lun(p, (unsigned)strtoul(value, NULL, 10));
		return;
	}
	if (p->lun)
		take_store(p, line);
	if (p->lun != 1)
		return;
	if ((value = value_after(line, "SCSI ID: ")))
		lun->scsi_id = pool_strdup(pool, value);
	else if ((value = value_after(line, "SCSI SN: ")))
		lun->scsi_sn = pool_strdup(pool, value);
	else if ((value = value_after(line, "Size: ")))
		sscanf(value, "%*[^,], Block size: %" SCNu32, &lun->block_size);
	else if ((value = value_after(line, "Online: ")))
		lun->online = !strcmp(value, "Yes");
	else if ((value = value_after(line, "Readonly: ")))
		lun->readonly = !strcmp(value, "Yes");
	else if ((value = value_after(line, "Thin-provisioning: ")))
		lun->thin = !strcmp(value, "Yes");
	else if ((value = value_after(line, "Backing store type: ")))
		lun->bs_type = pool_strdup(pool, value);
	else if ((value = value_after(line, "Backing store path: ")) &&
		 strcmp(value, "None") != 0)
		lun->path = pool_strdup(pool, value);
}

static void take_account(struct parser *p, const char *line)
{
	static const char mark[] = " (outgoing)";
	size_t n = strlen(line), m = sizeof mark - 1;

	if (n > m && !strcmp(line + n - m, mark))
		p->target->outgoing =
			pool_printf(&p->live->pool, "%.*s", (int)(n - m), line);
	else
		strings_add(&p->live->pool, &p->target->accounts,
			    pool_strdup(&p->live->pool, line));
}

static void take_line(struct parser *p, size_t indent, const char *line)
{
	if (indent == 0)
		start_target(p, line);
	else if (!p->target)
		return;
	else if (indent == 4)
		start_part(p, line);
	else if (p->part == PART_NEXUS)
		take_nexus(p, line);
	else if (p->part == PART_LUN)
		take_lun(p, line);
	else if (p->part == PART_ACCOUNT)
		take_account(p, line);
	else if (p->part == PART_ACL)
		strings_add(&p->live->pool, &p->target->acl,
			    pool_strdup(&p->live->pool, line));
}

/* Cuts the next line off *text, without the space at its end. */
static char *next_line(char **text)
{
	char *line = strsep(text, "\n");
	size_t n = line ? strlen(line) : 0;

	while (n && line[n - 1] == ' ')
		line[--n] = '\0';
	return line;
}

void live_parse_targets(struct live *live, char *text)
{
	struct parser p = { .live = live, .initiator = "" };

	for (char *line; (line = next_line(&text));) {
		size_t indent = strspn(line, " ");

		if (line[indent])
			take_line(&p, indent, line + indent);
	}
}

static int ask(const struct tgtd *tgtd, enum tgtd_mode mode, int32_t tid,
	       char **ret_text)
{
	const struct tgtd_request request = {
		.mode = mode, .op = TGTD_SHOW, .tid = tid, .lun = TGTD_NO_LUN
	};

	return tgtd_ask(tgtd, &request, ret_text);
}

int live_read(const struct tgtd *tgtd, struct live *ret)
{
	_cleanup_free_ char *targets = NULL, *accounts = NULL;
	char *rest;
	int r;

	memset(ret, 0, sizeof *ret);
	r = ask(tgtd, TGTD_TARGET, TGTD_NO_TID, &targets);
	if (r == 0)
		r = ask(tgtd, TGTD_ACCOUNT, TGTD_NO_TID, &accounts);
	if (r < 0)
		return r;
	live_parse_targets(ret, targets);
	rest = accounts;
	for (char *line; (line = next_line(&rest));)
		if (!strncmp(line, "    ", 4))
			strings_add(&ret->pool, &ret->accounts,
				    pool_strdup(&ret->pool, line + 4));
	return 0;
}

void live_fini(struct live *live)
{
	pool_fini(&live->pool);
	memset(live, 0, sizeof *live);
}

struct live_target *live_target(const struct live *live, const char *name)
{
	for (size_t i = 0; i < live->n; i++)
		if (!strcmp(live->targets[i].name, name))
			return &live->targets[i];
	return NULL;
}

struct live_target *live_target_by_tid(const struct live *live, int32_t tid)
{
	for (size_t i = 0; i < live->n; i++)
		if (live->targets[i].tid == tid)
			return &live->targets[i];
	return NULL;
}

/*
 * "Session: 2", and for each of its connections "Connection: 0", "Initiator:
 * NAME" and "IP Address: ADDRESS", indented.
 */
int live_connections(const struct tgtd *tgtd, struct live *live, int32_t tid,
		     struct live_connection **ret)
{
	_cleanup_free_ char *text = NULL;
	struct live_connection *list = NULL, *c = NULL;
	int r = ask(tgtd, TGTD_CONNECTION, tid, &text);
	const char *value;
	uint64_t sid = 0;
	char *rest = text;
	size_t n = 0;

	if (r < 0)
		return r;
	for (char *line; (line = next_line(&rest));) {
		line += strspn(line, " ");
		if ((value = value_after(line, "Session: "))) {
			sid = strtoull(value, NULL, 10);
		} else if ((value = value_after(line, "Connection: "))) {
			c = add_connection(&live->pool, &list, &n);
			c->sid = sid;
			c->cid = (uint32_t)strtoul(value, NULL, 10);
			c->initiator = c->address = "";
		} else if (c && (value = value_after(line, "Initiator: "))) {
			c->initiator = pool_strdup(&live->pool, value);
		} else if (c && (value = value_after(line, "IP Address: "))) {
			c->address = pool_strdup(&live->pool, value);
		}
	}
	*ret = list;
	return (int)n;
}

int live_portals(const struct tgtd *tgtd, struct live *live,
		 struct strings *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = ask(tgtd, TGTD_PORTAL, TGTD_NO_TID, &text);
	const char *value;
	char *rest = text;

	if (r < 0)
		return r;
	for (char *line; (line = next_line(&rest));)
		if ((value = value_after(line, "Portal: ")))
			strings_add(&live->pool, ret,
				    pool_printf(&live->pool, "%.*s",
						(int)strcspn(value, ","),
						value));
	return 0;
}
