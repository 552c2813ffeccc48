/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters of nbdkit's command line. */
#include "config.h"

#include "nbdkit/plugin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/size.h"
#include "store/image-names.h"
#include "store/reserve.h"

struct settings settings = { .reserve = RESERVE_DEFAULT };

const char settings_help[] =
	"[image=]IMAGE  the VHD or VHDX image to serve; a path in the store\n"
	"store=DIR      the directory of IMAGE, its parents and its children;\n"
	"               default: the directory that IMAGE is in.  Without IMAGE\n"
	"               each client chooses an image by the export's name\n"
	"parents=DIR    look for parents by name in DIR, too; repeatable\n"
	"reserve=SIZE   leave so much of the file system free for flushes";

static int no_memory(void)
{
	nbdkit_error("out of memory");
	return -1;
}

/* Of a parameter that is given once. */
static int take_text(const char *key, const char *value, char **ret)
{
	if (*ret) {
		nbdkit_error("%s=: is given twice", key);
		return -1;
	}
	*ret = strdup(value);
	return *ret ? 0 : no_memory();
}

static int take_path(const char *key, const char *value, char **ret)
{
	_cleanup_free_ char *path = nbdkit_absolute_path(value);

	return path ? take_text(key, path, ret) : -1;
}

static int add_parents(const char *value)
{
	size_t n = settings.n_parents + 1;
	char **all = reallocarray(settings.parents, n, sizeof *all);

	if (!all)
		return no_memory();
	settings.parents = all;
	all[n - 1] = nbdkit_absolute_path(value);
	if (!all[n - 1])
		return -1;
	settings.n_parents = n;
	return 0;
}

static int take_reserve(const char *value)
{
	if (size_parse(value, &settings.reserve) == 0 &&
	    settings.reserve != RESERVE_DEFAULT)
		return 0;
	nbdkit_error("reserve=: expected a size such as 1G, in bytes or with "
		     "K, M, G or T, found '%s'",
		     value);
	return -1;
}

int settings_take(const char *key, const char *value)
{
	if (!strcmp(key, "image"))
		return take_text(key, value, &settings.image);
	if (!strcmp(key, "store"))
		return take_path(key, value, &settings.store);
	if (!strcmp(key, "parents"))
		return add_parents(value);
	if (!strcmp(key, "reserve"))
		return take_reserve(value);
	nbdkit_error("unknown parameter '%s='; `nbdkit vhdfs --help' lists "
		     "those that there are",
		     key);
	return -1;
}

/* Without store=: the directory that the image is in, links followed. */
static int take_store_of_image(void)
{
	_cleanup_free_ char *real = realpath(settings.image, NULL);
	const char *name;

	if (!real) {
		fail_errno(-errno, "%s", settings.image);
		return refuse();
	}
	name = name_last(real);
	settings.beside = true;
	settings.store = strndup(real, name - real);
	free(settings.image);
	settings.image = strdup(name);
	return settings.store && settings.image ? 0 : no_memory();
}

int settings_complete(void)
{
	if (settings.store)
		return 0;
	if (settings.image)
		return take_store_of_image();
	nbdkit_error("expected an image or store=DIR, found neither; "
		     "`nbdkit vhdfs --help' shows the parameters");
	return -1;
}

void settings_free(void)
{
	free(settings.store);
	free(settings.image);
	while (settings.n_parents)
		free(settings.parents[--settings.n_parents]);
	free(settings.parents);
}
