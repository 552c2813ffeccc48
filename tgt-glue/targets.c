/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tgt-glue/access.h"

const struct targets_parameter targets_parameters[] = {
	{ "MaxRecvDataSegmentLength", "262144" },
	{ "MaxXmitDataSegmentLength", "262144" },
	{ NULL, NULL },
};

/*
 * Always the container form with its own lun: single-line stores are numbered
 * in the order of their paths.
 */
static void print_store(FILE *f, const struct client *client)
{
	fprintf(f, "\t<backing-store %s>\n", client->view);
	fprintf(f, "\t\tlun 1\n\t\tbs-type rdwr\n");
	fprintf(f, "\t\tscsi_id %s\n\t\tscsi_sn %s\n", client->scsi_id,
		client->scsi_sn);
	if (client->sector_size != 512)
		fprintf(f, "\t\tblock-size %" PRIu32 "\n", client->sector_size);
	fprintf(f, "\t\twrite-cache %s\n", client->write_cache ? "on" : "off");
	if (client->readonly)
		fprintf(f, "\t\treadonly 1\n");
	if (client->thin)
		fprintf(f, "\t\tparams thin_provisioning=1\n");
	fprintf(f, "\t</backing-store>\n");
}

static void print_access(FILE *f, struct pool *pool,
			 const struct client *client)
{
	struct strings addresses = access_addresses(pool, client);

	for (size_t i = 0; i < addresses.n; i++)
		fprintf(f, "\tinitiator-address %s\n", addresses.v[i]);
	for (size_t i = 0; i < client->initiators.n; i++)
		fprintf(f, "\tinitiator-name %s\n", client->initiators.v[i]);
	if (client->user)
		fprintf(f, "\tincominguser %s %s\n", client->user,
			client->secret);
	if (client->mutual_user)
		fprintf(f, "\toutgoinguser %s %s\n", client->mutual_user,
			client->mutual_secret);
}

const char *targets_block(struct fleet *fleet, const struct client *client)
{
	struct pool *pool = &fleet->conf.pool;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	fprintf(f,
		"<target %s>\n\tdriver iscsi\n\tcontroller_tid %" PRIu32
		"\n\tallow-in-use yes\n",
		client->iqn, client->tid);
	for (const struct targets_parameter *p = targets_parameters; p->name;
	     p++)
		fprintf(f, "\t%s %s\n", p->name, p->value);
	print_store(f, client);
	print_access(f, pool, client);
	fprintf(f, "</target>\n");
	if (fclose(f) != 0)
		abort();
	return pool_strdup(pool, text);
}

char *targets_text(struct fleet *fleet)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	fputs("# Written by tgt-glue from fleet.conf: change that, and run `tgt-glue apply'.\n",
	      f);
	for (size_t i = 0; i < fleet->n; i++)
		fprintf(f, "\n%s", targets_block(fleet, &fleet->clients[i]));
	if (fclose(f) != 0)
		abort();
	return text;
}

int targets_read(struct fleet *fleet, char **ret_text)
{
	_cleanup_fclose_ FILE *f = fopen(fleet->targets_file, "re");
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (!f && errno == ENOENT) {
		*ret_text = strdup("");
		return *ret_text ? 0 : -ENOMEM;
	}
	if (!f || (getdelim(&text, &size, '\0', f) < 0 && ferror(f)))
		return fail_errno(-errno, "%s", fleet->targets_file);
	/* An empty file gives no text at all. */
	*ret_text = text ? steal(text) : strdup("");
	return *ret_text ? 0 : -ENOMEM;
}

/* text with the block of its target replaced; the caller's. */
static char *with_block(const char *text, const char *iqn, const char *block)
{
	static const char end[] = "</target>\n";
	_cleanup_free_ char *first = NULL;
	const char *start, *after;
	char *whole = NULL;

	if (asprintf(&first, "<target %s>\n", iqn) < 0)
		abort();
	start = strstr(text, first);
	after = start ? strstr(start, end) : NULL;
	if (!after)
		whole = strdup(text);
	else if (asprintf(&whole, "%.*s%s%s", (int)(start - text), text, block,
			  after + sizeof end - 1) < 0)
		whole = NULL;
	if (!whole)
		abort();
	return whole;
}

int targets_text_but(struct fleet *fleet, const struct strings *clients,
		     char **ret_text)
{
	char *text = NULL;
	int r = targets_read(fleet, &text);

	for (size_t i = 0; r == 0 && i < clients->n; i++) {
		const struct client *client =
			fleet_client(fleet, clients->v[i]);
		char *next = with_block(text, client->iqn,
					targets_block(fleet, client));

		free(text);
		text = next;
	}
	if (r == 0)
		*ret_text = text;
	return r;
}

/* Is the file this text, and for nobody else to read? */
static bool is_written(struct fleet *fleet, const char *text)
{
	_cleanup_free_ char *now = NULL;
	struct stat st;

	return targets_read(fleet, &now) == 0 && !strcmp(now, text) &&
	       stat(fleet->targets_file, &st) == 0 &&
	       (st.st_mode & 0777) == 0600;
}

/* Makes temp a file of this text that is on disk. */
static int write_temp(const char *temp, const char *text)
{
	_cleanup_close_ int fd = -1;
	size_t len = strlen(text);

	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return fchmod(fd, 0600) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int targets_write(struct fleet *fleet, const char *text)
{
	_cleanup_free_ char *temp = NULL;
	int r;

	if (is_written(fleet, text))
		return 0;
	/* tgt-admin reads *.conf: this is none. */
	if (asprintf(&temp, "%s.new", fleet->targets_file) < 0)
		return fail(-ENOMEM, "out of memory");
	r = write_temp(temp, text);
	if (r == 0 && rename(temp, fleet->targets_file) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temp);
		return fail_errno(r, "%s", fleet->targets_file);
	}
	return 1;
}
