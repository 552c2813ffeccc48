/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhdfs-img info: describe an image, or each image of a chain. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/size.h"
#include "img/command.h"
#include "img/image-roots.h"
#include "io/io-file.h"

/* 0 stands for a size that the format does not have: null in JSON. */
static json_t *json_size(uint64_t size)
{
	return size ? json_integer((json_int_t)size) : json_null();
}

static json_t *json_guid(const struct guid *id)
{
	char text[GUID_TEXT_SIZE];

	return json_string(guid_format(id, text));
}

/* The reason why the image can be read but not written. */
static int add_readonly_reason(struct image *img, json_t *object)
{
	int r = image_may_write(img);

	if (r == 0 || error_is_passing(r))
		return r;
	return json_object_set_new(object, "readonly-reason",
				   json_text(error_text())) < 0
		       ? fail(-ENOMEM, "out of memory")
		       : 0;
}

/* The parent was written, or copied, after the child was made. */
static int add_warning(const struct chain *chain, unsigned depth,
		       json_t *object)
{
	_cleanup_free_ char *text = NULL;
	int r = chain_warning(chain, depth, &text);

	if (r == 0 && text &&
	    json_object_set_new(object, "warning", json_text(text)) < 0)
		r = fail(-ENOMEM, "out of memory");
	return r;
}

/* Output in words names the process that uses the image; JSON does not. */
static json_t *json_in_use(const struct command_line *line, bool in_use,
			   const char *holder)
{
	return line->json || !*holder ? json_boolean(in_use)
				      : json_text(format_arg("yes,%s", holder));
}

/* The name of an image of the chain; null: out of memory. */
static char *name_of(const struct command_line *line,
		     const struct image_roots *roots, const struct chain *chain,
		     unsigned depth)
{
	return depth ? image_roots_absolute(roots, chain_path(chain, depth))
		     : strdup(line->operands[0]);
}

/* *ret: the JSON object of one image of the chain. */
static int describe(const struct command_line *line,
		    const struct image_roots *roots, const struct chain *chain,
		    unsigned depth, json_t **ret)
{
	struct image *img = chain_image(chain, depth);
	unsigned parents = chain_depth(chain) - depth;
	_cleanup_free_ char *name = name_of(line, roots, chain, depth);
	_cleanup_free_ char *parent =
		parents ? name_of(line, roots, chain, depth + 1) : NULL;
	char holder[80];
	int in_use = io_file_in_use(img->io, holder, sizeof holder), r;
	struct stat st;

	if (in_use < 0)
		return in_use;
	if (!name || (parents && !parent))
		return fail(-ENOMEM, "out of memory");
	if (fstat(img->io->fd, &st) < 0)
		return fail_errno(-errno, "%s", name);
	*ret = json_pack(
		"{so ss ss sI sI so si si so so so si so sb}", "file",
		json_text(name), "format", img->ops->name, "type",
		image_type_name(img->type), "virtual-size",
		(json_int_t)img->size, "allocated",
		(json_int_t)st.st_blocks * 512, "block-size",
		json_size(img->block_size), "sector-size",
		(int)img->sector_size, "physical-sector-size",
		(int)img->physical_sector_size, "id", json_guid(&img->id),
		"parent", parent ? json_text(parent) : json_null(), "parent-id",
		parents ? json_guid(&chain_image(chain, depth + 1)->id)
			: json_null(),
		"depth", (int)parents, "in-use",
		json_in_use(line, in_use, holder), "dirty", (int)img->dirty);
	if (!*ret)
		return fail(-ENOMEM, "out of memory");
	r = add_readonly_reason(img, *ret);
	return r < 0 ? r : add_warning(chain, depth, *ret);
}

static bool is_size(const char *key)
{
	return strstr(key, "size") || !strcmp(key, "allocated");
}

static void print_value(const char *key, const json_t *value)
{
	char text[64];

	if (json_is_string(value))
		print_line(stdout, "%s", json_string_value(value));
	else if (json_is_boolean(value))
		printf("%s\n", json_is_true(value) ? "yes" : "no");
	else if (json_is_null(value))
		printf("-\n");
	else if (is_size(key))
		printf("%s\n", size_format((uint64_t)json_integer_value(value),
					   text, sizeof text));
	else
		printf("%lld\n", (long long)json_integer_value(value));
}

/* A line for each key of the JSON object. */
static void print_words(json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		printf("%-21s ", format_arg("%s:", key));
		print_value(key, value);
	}
}

/* Describes all images before the first is printed, so that after an error
 * standard output is empty. */
static int describe_all(const struct command_line *line,
			const struct image_roots *roots,
			const struct chain *chain, json_t *all)
{
	unsigned last = line->chain ? chain_depth(chain) : 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i <= last; i++) {
		json_t *object = NULL;

		r = describe(line, roots, chain, i, &object);
		if (json_array_append_new(all, object) < 0 && r == 0)
			r = fail(-ENOMEM, "out of memory");
	}
	return r;
}

static int print(const struct command_line *line, json_t *all)
{
	if (line->json)
		return json_print(line->chain ? all : json_array_get(all, 0));
	for (size_t i = 0; i < json_array_size(all); i++) {
		if (i)
			putchar('\n');
		print_words(json_array_get(all, i));
	}
	return 0;
}

static int run_info(const struct command_line *line)
{
	_cleanup_(image_roots_fini) struct image_roots roots = { 0 };
	_cleanup_(chain_close_p) struct chain *chain = NULL;
	json_t *all = json_array();
	int r = image_roots_init(&roots, line);

	if (r == 0)
		r = image_roots_open(&roots, line->operands[0], CHAIN_NO_LOCK,
				     &chain);
	if (r == 0)
		r = describe_all(line, &roots, chain, all);
	if (r == 0)
		r = print(line, all);
	json_decref(all);
	return r < 0 ? failed() : CLI_DONE;
}

static const struct cli_option options[] = {
	CLI_FLAG(json, "json",
		 "print a JSON object; with --chain an array of objects"),
	CLI_FLAG(chain, "chain",
		 "describe the image and all its parents, the image first"),
	CLI_END,
};

const struct cli_command info_command = {
	.name = "info",
	.summary = "describe an image, or an image and its parents",
	.options = options,
	.operands = { "IMAGE", 1, 1, "<file>" },
	.run = run_info,
};
