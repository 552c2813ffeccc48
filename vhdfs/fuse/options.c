/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command line of vhdfs: parses it, and makes one for a hand-over. */
#include "config.h"

#include "fuse/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/size.h"
#include "format/registry.h"
#include "fuse/fuse3.h"
#include "io/rootdir.h"
#include "store/reserve.h"

#define TRY_HELP "; see vhdfs --help"

/* Passed on to libfuse, which passes some to the kernel. */
static const char *const mount_options[] = {
	"rw",      "ro",          "suid",       "nosuid",
	"dev",     "nodev",       "exec",       "noexec",
	"sync",    "async",       "atime",      "noatime",
	"dirsync", "allow_other", "allow_root", "default_permissions",
	NULL
};

/*
 * Options of mount(8) and of fstab that change nothing for this mount.  An
 * entry that ends in "=" or "-" matches all options that begin with it.
 */
static const char *const ignored_options[] = {
	"defaults",
	"auto",
	"noauto",
	"user",
	"nouser",
	"users",
	"owner",
	"group",
	"_netdev",
	"nofail",
	"relatime",
	"norelatime",
	"strictatime",
	"nostrictatime",
	"lazytime",
	"nolazytime",
	"diratime",
	"nodiratime",
	"iversion",
	"noiversion",
	"mand",
	"nomand",
	"loud",
	"silent",
	"nosymfollow",
	"symfollow",
	"user=",
	"comment=",
	"x-",
	"X-",
	"uhelper=",
	"helper=",
	"subtype=vhdfs",
	NULL,
};

static bool is_one_of(const char *const *all, const char *option)
{
	for (; *all; all++) {
		size_t n = strlen(*all);
		bool prefix = strchr("=-", (*all)[n - 1]);

		if (prefix ? !strncmp(option, *all, n) : !strcmp(option, *all))
			return true;
	}
	return false;
}

int options_add(char **list, const char *fmt, ...)
{
	_cleanup_free_ char *option = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&option, fmt, ap) < 0)
		option = NULL;
	va_end(ap);
	return option && fuse_opt_add_opt_escaped(list, option) == 0
		       ? 0
		       : fail(-ENOMEM, "out of memory");
}

static int add_parents(struct options *o, const char *path)
{
	char **all = reallocarray(o->parents, o->n_parents + 1, sizeof *all);

	if (!all)
		return fail(-ENOMEM, "out of memory");
	o->parents = all;
	all[o->n_parents] = strdup(path);
	if (!all[o->n_parents])
		return fail(-ENOMEM, "out of memory");
	o->n_parents++;
	return 0;
}

static int parse_reserve(struct options *o, const char *value)
{
	if (size_parse(value, &o->reserve) == 0 &&
	    o->reserve != RESERVE_DEFAULT)
		return 0;
	return fail(
		-EINVAL,
		"-o reserve=: expected a size in bytes or with K, M, G or T, such as 1G, found '%s'" TRY_HELP,
		value);
}

static int parse_mount_option(struct options *o, const char *option)
{
	if (!strncmp(option, "parents=", 8) && option[8])
		return add_parents(o, option + 8);
	if (!strncmp(option, "reserve=", 8))
		return parse_reserve(o, option + 8);
	if (!strcmp(option, "ro"))
		o->read_only = true;
	if (!strcmp(option, "rw"))
		o->read_only = false;
	if (!strcmp(option, "no_resend")) {
		o->no_resend = true;
		return 0;
	}
	if (is_one_of(mount_options, option))
		/* atime is the kernel's default, and default_permissions
		 * always set. */
		return !strcmp(option, "atime") ||
				       !strcmp(option, "default_permissions")
			       ? 0
			       : options_add(&o->mount, "%s", option);
	if (is_one_of(ignored_options, option))
		return 0;
	return fail(-EINVAL, "unknown option '-o %s'%s" TRY_HELP, option,
		    o->n_parents ? "; a comma in a path is written \\," : "");
}

/*
 * Returns the first option of the list *at, and moves *at behind it; null at
 * the end.  As in libfuse, a backslash escapes the character after it: an
 * escaped comma does not end the option.  Changes the list.
 */
static char *next_option(char **at)
{
	char *option = *at, *to = option, *from = option;

	if (!option)
		return NULL;
	for (; *from && *from != ','; from++) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*at = *from ? from + 1 : NULL;
	*to = '\0';
	return option;
}

static int parse_mount_options(struct options *o, const char *list)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *option;
	int r = copy ? 0 : fail(-ENOMEM, "out of memory");

	while ((option = next_option(&rest)))
		if (!strcmp(option, "remount"))
			o->remount = true;
		else if (*option && r == 0)
			r = parse_mount_option(o, option);
	/* With remount, mount(8) also passes the options that the kernel
	 * reports, which are not all options of vhdfs. */
	return o->remount ? 0 : r;
}

static int parse_operands(struct options *o, int n, char **operands)
{
	if (n == 1 && !strcmp(operands[0], "help"))
		o->help = true;
	if (o->help || o->version)
		return 0;
	if (n < 2)
		return fail(-EINVAL, "expected STORE and MOUNTPOINT%s",
			    TRY_HELP);
	if (n > 2)
		return fail(-EINVAL, "unexpected argument '%s'" TRY_HELP,
			    operands[2]);
	o->store = strdup(operands[0]);
	o->mountpoint = strdup(operands[1]);
	return o->store && o->mountpoint ? 0 : fail(-ENOMEM, "out of memory");
}

static int bad_option(char **argv)
{
	if (optopt && optopt != 'o')
		return fail(-EINVAL, "unknown option '-%c'" TRY_HELP, optopt);
	if (optopt == 'o')
		return fail(-EINVAL, "option '-o' needs a value" TRY_HELP);
	return fail(-EINVAL, "unknown option '%s'" TRY_HELP, argv[optind - 1]);
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ "options", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c, r = 0;

	opterr = 0;
	while (r == 0 &&
	       (c = getopt_long(argc, argv, "fo:hV", longs, NULL)) != -1) {
		if (c == 'f')
			o->foreground = true;
		else if (c == 'h')
			o->help = true;
		else if (c == 'V')
			o->version = true;
		else if (c == 'o')
			r = parse_mount_options(o, optarg);
		else
			r = bad_option(argv);
	}
	return r < 0 ? r : parse_operands(o, argc - optind, argv + optind);
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct options o = { .reserve = RESERVE_DEFAULT };
	int r = parse(argc, argv, &o);

	if (r < 0) {
		options_fini(&o);
		return r;
	}
	*ret = o;
	return 0;
}

static int make_absolute(char **path)
{
	char *real = realpath(*path, NULL);

	if (!real)
		return root_dir_fail(-errno, *path);
	free(*path);
	*path = real;
	return 0;
}

int options_make_absolute(struct options *options)
{
	int r = make_absolute(&options->store);

	if (r == 0)
		r = make_absolute(&options->mountpoint);
	for (size_t i = 0; i < options->n_parents && r == 0; i++)
		r = make_absolute(&options->parents[i]);
	return r;
}

int options_list(const struct options *o, char **ret)
{
	_cleanup_free_ char *list = o->mount ? strdup(o->mount) : NULL;
	int r = !o->mount || list ? 0 : fail(-ENOMEM, "out of memory");

	if (r == 0 && o->no_resend)
		r = options_add(&list, "no_resend");
	if (r == 0 && o->reserve != RESERVE_DEFAULT)
		r = options_add(&list, "reserve=%llu",
				(unsigned long long)o->reserve);
	for (size_t i = 0; i < o->n_parents && r == 0; i++)
		r = options_add(&list, "parents=%s", o->parents[i]);
	if (r == 0)
		*ret = steal(list);
	return r;
}

void options_fini(struct options *options)
{
	for (size_t i = 0; i < options->n_parents; i++)
		free(options->parents[i]);
	free(options->parents);
	free(options->mount);
	free(options->store);
	free(options->mountpoint);
	memset(options, 0, sizeof *options);
}

void options_print_help(void)
{
	printf("usage: vhdfs STORE MOUNTPOINT [-f] [-o OPTION[,OPTION...]]\n"
	       "\n"
	       "Shows each %s image of the directory STORE, merged with its\n"
	       "parents, as one flat file under MOUNTPOINT.\n"
	       "\n",
	       format_or(image_format_titles()));
	fputs("  -f, --foreground  stay in the foreground; messages go to standard error\n"
	      "  -o, --options     mount options, see below\n"
	      "  -h, --help, help  show this text\n"
	      "  -V, --version     show the version\n"
	      "\n"
	      "  -o ro             mount read-only\n"
	      "  -o allow_other    let other users use the mount, as permissions allow\n"
	      "  -o allow_root     let root use the mount of another user\n"
	      "  -o parents=DIR    also look for parents by name in DIR; may be repeated;\n"
	      "                    write \\ before a comma in DIR\n"
	      "  -o reserve=SIZE   keep SIZE of the store's file system free: writes that\n"
	      "                    need space fail; default: 1 %, at most 4G; 0: none\n"
	      "  -o no_resend      replace the mount when the worker process has died,\n"
	      "                    as on kernels before 6.9\n"
	      "  and these of mount(8): rw suid nosuid dev nodev exec noexec sync async\n"
	      "  dirsync atime noatime; other options of fstab are accepted and ignored\n"
	      "\n"
	      "To unmount, use umount(8), or send SIGTERM or SIGINT to vhdfs.  SIGHUP hands\n"
	      "the mount over to the program that is installed now.\n",
	      stdout);
}
