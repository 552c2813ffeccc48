/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that are behind: how many go over, how many stay. */
#include "config.h"

#include "tgt-glue/command/behind.h"

#include <stdio.h>

#include "base/printable.h"
#include "tgt-glue/reconcile/follow.h"

/* The names of the clients that stay, or CLIENT... for many. */
static const char *stay_names(struct arena *arena, const struct strings *stay)
{
	enum { SHOWN = 12 };
	const char *text = "";

	if (stay->n > SHOWN)
		return " CLIENT...";
	for (size_t i = 0; i < stay->n; i++)
		text = arena_printf(arena, "%s %s", text, stay->v[i]);
	return text;
}

static void print_following(size_t n, const char *with)
{
	if (n)
		print_line(
			stdout,
			"%zu client%s%s before the next boot: `tgt-glue watch' does it after the logout, `tgt-glue apply' now for those that are not logged in",
			n, n == 1 ? " goes over" : "s go over", with);
}

static void print_staying(struct arena *arena, const struct strings *stay,
			  const char *with, const char *option)
{
	if (stay->n)
		print_line(
			stdout,
			"%zu client%s%s on another version (update = keep, or restored); `tgt-glue reset%s%s' gives a fresh disk of the version that fleet.conf wants",
			stay->n, stay->n == 1 ? " stays" : "s stay", with,
			option, stay_names(arena, stay));
}

/* Of the disks of that name; null: the system disks. */
static void print_disks(struct clients *clients, const char *family,
			const char *name)
{
	const struct fleet *fleet = clients->fleet;
	struct arena *arena = clients->arena;
	const char *with = "", *option = "";
	struct strings stay = { 0 };
	size_t follow = 0;

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];
		enum follow is;

		if (!text_equal(disk->name, name) ||
		    !text_equal(disk->family, family))
			continue;
		is = follow_of(clients, disk);
		follow += is == FOLLOWS;
		if (is == STAYS)
			strings_add(arena, &stay, disk->client->name);
	}
	if (name) {
		with = arena_printf(arena, " with disk %s", name);
		option = arena_printf(arena, " --disk %s", name);
	}
	print_following(follow, with);
	print_staying(arena, &stay, with, option);
}

void behind_print(struct clients *clients, const char *family)
{
	const struct fleet *fleet = clients->fleet;

	print_disks(clients, family, NULL);
	for (size_t i = 0; i < fleet->n_sections; i++)
		print_disks(clients, family, fleet->sections[i].name);
}
