/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deaths of the workers of a mount: the list, and its text. */
#include "config.h"

#include "base/worker-deaths.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

/* The number of the oldest death that is known. */
static uint32_t first(const struct worker_deaths *deaths)
{
	return deaths->count < WORKER_DEATHS_MAX
		       ? 0
		       : deaths->count - WORKER_DEATHS_MAX;
}

void worker_deaths_add(struct worker_deaths *deaths, int64_t time, int signal)
{
	if (deaths->count == UINT32_MAX)
		return;
	deaths->v[deaths->count++ % WORKER_DEATHS_MAX] =
		(struct worker_death){ time, signal };
}

const struct worker_death *worker_deaths_get(const struct worker_deaths *deaths,
					     uint32_t number)
{
	return number < first(deaths) || number >= deaths->count
		       ? NULL
		       : &deaths->v[number % WORKER_DEATHS_MAX];
}

void worker_deaths_format(const struct worker_deaths *deaths,
			  char ret[WORKER_DEATHS_SIZE])
{
	const struct worker_death *death;
	int n = snprintf(ret, WORKER_DEATHS_SIZE, "%" PRIu32, deaths->count);

	for (uint32_t i = first(deaths); (death = worker_deaths_get(deaths, i));
	     i++)
		n += snprintf(ret + n, (size_t)(WORKER_DEATHS_SIZE - n),
			      " %" PRId64 " %" PRId32, death->time,
			      death->signal);
}

bool worker_deaths_parse(const char *text, struct worker_deaths *ret)
{
	struct worker_deaths deaths = { 0 };
	uint32_t count, i;
	int n = 0;

	memset(ret, 0, sizeof *ret);
	if (!isdigit((unsigned char)*text) || strspn(text, "0123456789") > 10 ||
	    sscanf(text, "%" SCNu32 "%n", &count, &n) != 1)
		return false;
	deaths.count = count;
	for (i = first(&deaths); i < count; i++) {
		struct worker_death *death = &deaths.v[i % WORKER_DEATHS_MAX];
		const char *at = text + n;

		if (sscanf(at, " %" SCNd64 " %" SCNd32 "%n", &death->time,
			   &death->signal, &n) != 2)
			return false;
		n += (int)(at - text);
	}
	if (text[n] && text[n] != '\n')
		return false;
	*ret = deaths;
	return true;
}

bool worker_deaths_read(const char *mount, struct worker_deaths *ret)
{
	char text[WORKER_DEATHS_SIZE];
	const ssize_t n =
		getxattr(mount, WORKER_DEATHS_ATTRIBUTE, text, sizeof text - 1);

	memset(ret, 0, sizeof *ret);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return worker_deaths_parse(text, ret);
}
