/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings: the plugin's parameters on nbdkit's command line. */
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
	"[image=]IMAGE  the image to serve; a path in the store\n"
	"store=DIR      the directory of IMAGE, its parents and its children;\n"
	"               default: the directory of IMAGE.  Without IMAGE each\n"
	"               client selects an image by the name of the export\n"
	"parents=DIR    search DIR for parents by name, too; repeatable\n"
	"reserve=SIZE   leave SIZE of the file system free; default: 1 %, at most 4G";

static int no_memory(void)
{
	nbdkit_error("out of memory");
	return -1;
}

/* Sets a parameter that may be given once only. */
static int set_text(const char *key, const char *value, char **ret)
{
	if (*ret) {
		nbdkit_error("%s=: is given twice", key);
		return -1;
	}
	*ret = strdup(value);
	return *ret ? 0 : no_memory();
}

static int set_path(const char *key, const char *value, char **ret)
{
	_cleanup_free_ char *path = nbdkit_absolute_path(value);

	return path ? set_text(key, path, ret) : -1;
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

static int set_reserve(const char *value)
{
	if (size_parse(value, &settings.reserve) == 0 &&
	    settings.reserve != RESERVE_DEFAULT)
		return 0;
	nbdkit_error("reserve=: expected a size such as 1G, in bytes or with "
		     "K, M, G or T, found '%s'",
		     value);
	return -1;
}

int settings_set(const char *key, const char *value)
{
	if (!strcmp(key, "image"))
		return set_text(key, value, &settings.image);
	if (!strcmp(key, "store"))
		return set_path(key, value, &settings.store);
	if (!strcmp(key, "parents"))
		return add_parents(value);
	if (!strcmp(key, "reserve"))
		return set_reserve(value);
	nbdkit_error("unknown parameter '%s='; `nbdkit vhdfs --help' lists "
		     "the parameters",
		     key);
	return -1;
}

/* Without store= the store is the image's directory, links followed. */
static int set_store_of_image(void)
{
	_cleanup_free_ char *real = realpath(settings.image, NULL);
	const char *name;

	if (!real) {
		fail_errno(-errno, "%s", settings.image);
		return report_error();
	}
	name = name_last(real);
	settings.no_store = true;
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
		return set_store_of_image();
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
