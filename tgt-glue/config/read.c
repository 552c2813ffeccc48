/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading fleet.conf and the files that it includes. */
#include "config.h"

#include "tgt-glue/config/read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/base/textfile.h"

/* A file that holds secrets must be inaccessible to group and others. */
static void check_mode(struct conf *conf, int line, const char *path, int fd)
{
	const unsigned mode = textfile_open_mode(fd);

	if (mode)
		conf_mistake_of_file(
			conf, line, path,
			"mode: expected no access for group and others (the file holds secrets), found %03o; run: chmod 600 %s",
			mode, shell_word(path));
}

/* Keeps a line for conf->text. */
static void keep_line(struct reader *reader, const char *text)
{
	const size_t n = strlen(text);

	fprintf(reader->text, "%s%s%s", reader->include ? "# " : "", text,
		n && text[n - 1] == '\n' ? "" : "\n");
}

static void read_includes(struct reader *reader, const char *value);

/* Reads all lines of a file.  Returns false where it is not text in UTF-8. */
static bool read_lines(struct reader *reader, FILE *stream)
{
	_cleanup_free_ char *text = NULL;
	const int before = reader->line;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&text, &size, stream)) >= 0) {
		const bool first = ++reader->line == before + 1;
		const size_t mark = first ? text_byte_order_mark(text) : 0;
		_cleanup_free_ char *copy = strdup(text + mark);

		if (first && text_is_utf16(text)) {
			conf_mistake(
				reader->conf, reader->line,
				"expected text in UTF-8, found UTF-16; save it as UTF-8");
			return false;
		}
		conf_parse_line(reader, text + mark, (size_t)n - mark);
		keep_line(reader, copy ? copy : "");
		if (reader->include)
			read_includes(reader, steal(reader->include));
	}
	return true;
}

/* Reads an included file.  It begins outside of any section. */
static void read_included(struct reader *reader, const char *path)
{
	struct conf *conf = reader->conf;
	struct arena *arena = &conf->arena;
	struct reader included = { .conf = conf,
				   .line = reader->line,
				   .depth = reader->depth + 1,
				   .text = reader->text,
				   .set = conf_before_sections,
				   .comment = "" };
	_cleanup_fclose_ FILE *stream = NULL;
	const char *why = sources_open(&conf->sources, arena, path, &stream);

	if (why) {
		conf_mistake(conf, reader->line, "include: %s", why);
		return;
	}
	sources_go_on(&conf->sources, arena, path, reader->line + 1, 1);
	errno = 0;
	read_lines(&included, stream);
	if (ferror(stream))
		conf_mistake(conf, reader->line, "include: %s: %s", path,
			     strerror(errno ? errno : EIO));
	if (included.any_secret)
		check_mode(conf, reader->line + 1, path, fileno(stream));
	reader->line = included.line;
}

/* Reads the files that a line `include' names. */
static void read_includes(struct reader *reader, const char *value)
{
	struct conf *conf = reader->conf;
	struct arena *arena = &conf->arena;
	const int at = reader->line;
	struct strings paths = { 0 };
	const char *path, *why;
	int line;

	if (reader->depth == INCLUDE_DEPTH_MAX) {
		conf_mistake(
			conf, reader->line,
			"include: expected at most %d files that include each other, found more",
			INCLUDE_DEPTH_MAX);
		return;
	}
	path = sources_find(&conf->sources, at, &line);
	why = sources_expand(&conf->sources, arena, conf_path(conf, value),
			     &paths);
	if (why)
		conf_mistake(conf, reader->line, "include: %s", why);
	for (size_t i = 0; i < paths.n; i++) {
		read_included(reader, paths.v[i]);
		/* This file goes on after the line `include'. */
		sources_go_on(&conf->sources, arena, path, reader->line + 1,
			      line + 1);
	}
	fputs("[fleet]\n", reader->text);
}

int conf_read(const char *file, struct conf *conf)
{
	_cleanup_fclose_ FILE *stream = NULL;
	_cleanup_free_ char *text = NULL;
	struct reader reader = { .conf = conf,
				 .set = conf_before_sections,
				 .comment = "" };
	size_t size;
	int r;

	memset(conf, 0, sizeof *conf);
	conf->defaults.shared = "[defaults]";
	conf->file = arena_strdup(&conf->arena, file);
	stream = fopen(file, "re");
	if (!stream) {
		r = fail_errno(-errno, "%s", file);
		if (r == -ENOENT)
			error_advise(
				"create it, or name another file with --config; fleet.conf(5) describes it and has an example");
		return r;
	}
	sources_add_main(&conf->sources, &conf->arena, stream);
	reader.text = text_open(&text, &size);
	errno = 0;
	r = read_lines(&reader, stream) ? 0 : -EINVAL;
	if (ferror(stream))
		r = fail_errno(errno ? -errno : -EIO, "%s", file);
	text_close(reader.text);
	conf->text = arena_strdup(&conf->arena, text);
	conf_parse_end(conf);
	if (reader.any_secret)
		check_mode(conf, 0, conf->file, fileno(stream));
	return r;
}
