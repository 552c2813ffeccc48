/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * faults.so: makes system calls and allocations of a program fail.  For tests:
 *
 *     FAULTS=CONTROL LD_PRELOAD=.../faults.so PROGRAM...
 *
 * CONTROL is a file of two lines, 127 characters each and a newline.  The first
 * says which calls fail, and may be changed while the program runs:
 *
 *     GENERATION KIND FORM AT ONLY LOSE
 *
 *     GENERATION  a number; a new one resets the counters
 *     KIND        EIO      any call on a file
 *                 ENOSPC   a call that may take space
 *                 full     the same: a write does its first half, and then
 *                          every such call fails
 *                 quota    as full, with EDQUOT
 *                 space    as full; calls on bytes for which the file has
 *                          blocks succeed, and are not counted
 *                 torn     a write does its first half and returns EIO
 *                 short    a read or write does its first half
 *                 EINTR    a read or write
 *                 ENOMEM   an allocation
 *                 kill     any call on a file: SIGKILL ends the process before
 *                          it
 *                 killed   a rename, link or unlink: the same, after it
 *                 end, ended  as kill and killed, of all processes of the
 *                          program
 *                 paused   a rename, link or unlink: after it the thread waits
 *                          until the first line changes
 *                 cut      any call that changes or syncs a file: changes that
 *                          are not durable are lost (LOSE), and SIGKILL ends
 *                          all processes of the program; at exit, if there is
 *                          no such call
 *                 none
 *     FORM        once: the AT-th of them; ever: that and all after it
 *     ONLY        the one call that is counted (names[] below), or - for all
 *     LOSE        all, none, -N (only the N-th), +N (all but the N-th), sSEED
 *
 * The second line is the answer:
 *
 *     SEEN FIRED CALL WHERE UNLINKS LIVE FILES LOSABLE
 *
 *     SEEN, FIRED  the number of counted calls, and of those that failed
 *     CALL, WHERE  the first failed call, and the offset in the program of its
 *                  caller, for addr2line; at exit, that of an allocation which
 *                  was not freed, if there is one
 *     UNLINKS      failed calls that would have removed a file
 *     LIVE, FILES  at exit only: allocations and descriptors not released;
 *                  allocations of all processes of the program together;
 *                  descriptors, which they share, when the first one ends
 *     LOSABLE      changes that were not durable when the power was cut
 *
 * COUNTED CALLS.  Calls on regular files and directories whose caller is the
 * program itself, not a library: calls of the C library's stdio and of the
 * loader are ignored.  Allocations whose innermost caller outside the C library
 * is the program or one of the libraries named below, so strdup and fopen are
 * counted as well; not those of libfuse, which ends a session when memory is
 * missing, so that no test would get any further.  Allocations of the loader
 * for a thread are ignored: the C library keeps them for the next thread.
 */
#include "config.h"

#include "tools/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char *const names[CALLS] = {
	"read",   "write", "sync",   "resize",  "shrink", "fallocate",
	"seek",   "open",  "create", "readdir", "rename", "link",
	"unlink", "chmod", "memory", "exit",
};

#define BIT(call) (1u << (call))
#define NAME_CALLS (BIT(CALL_RENAME) | BIT(CALL_LINK) | BIT(CALL_UNLINK))

static const struct kind kinds[] = {
	{ "EIO", BIT(CALL_MEMORY) - 1, EIO, false, false },
	{ "ENOSPC",
	  BIT(CALL_WRITE) | BIT(CALL_SYNC) | BIT(CALL_RESIZE) |
		  BIT(CALL_FALLOCATE) | BIT(CALL_CREATE) | BIT(CALL_RENAME) |
		  BIT(CALL_LINK),
	  ENOSPC, false, false },
	{ "full",
	  BIT(CALL_WRITE) | BIT(CALL_RESIZE) | BIT(CALL_FALLOCATE) |
		  BIT(CALL_CREATE) | BIT(CALL_RENAME) | BIT(CALL_LINK),
	  ENOSPC, false, true },
	{ "quota",
	  BIT(CALL_WRITE) | BIT(CALL_RESIZE) | BIT(CALL_FALLOCATE) |
		  BIT(CALL_CREATE) | BIT(CALL_RENAME) | BIT(CALL_LINK),
	  EDQUOT, false, true },
	{ "space",
	  BIT(CALL_WRITE) | BIT(CALL_RESIZE) | BIT(CALL_FALLOCATE) |
		  BIT(CALL_CREATE) | BIT(CALL_RENAME) | BIT(CALL_LINK),
	  ENOSPC, false, true },
	{ "torn", BIT(CALL_WRITE), EIO, true, false },
	{ "short", BIT(CALL_READ) | BIT(CALL_WRITE), 0, true, false },
	{ "EINTR", BIT(CALL_READ) | BIT(CALL_WRITE), EINTR, false, false },
	{ "ENOMEM", BIT(CALL_MEMORY), ENOMEM, false, false },
	{ "kill", BIT(CALL_MEMORY) - 1, FAULT_KILLS, false, false },
	{ "killed", NAME_CALLS, FAULT_KILLED, false, false },
	{ "end", BIT(CALL_MEMORY) - 1, FAULT_ENDS, false, false },
	{ "ended", NAME_CALLS, FAULT_ENDED, false, false },
	{ "paused", NAME_CALLS, FAULT_PAUSED, false, false },
	{ "cut",
	  BIT(CALL_WRITE) | BIT(CALL_SYNC) | BIT(CALL_RESIZE) |
		  BIT(CALL_SHRINK) | BIT(CALL_FALLOCATE) | BIT(CALL_CREATE) |
		  BIT(CALL_RENAME) | BIT(CALL_LINK) | BIT(CALL_UNLINK) |
		  BIT(CALL_CHMOD),
	  FAULT_CUTS, false, false },
};

/* Libraries whose allocations are counted as the program's own. */
static const char *const counted[] = { "libjansson.", "libunistring." };

enum { LINE = 128, STATE = 4096, OBJECTS_MAX = 64, FILES_MAX = 256 };

struct object {
	uintptr_t first, last;
	enum owner owner;
};

/* Set up once, before main. */
static struct object objects[OBJECTS_MAX];
static unsigned n_objects;
static bool files_before[FILES_MAX];
static char *control; /* the file, mapped; null: nothing fails */

/*
 * The parsed first line and its counters, behind the two lines of the file,
 * because a program may be several processes.  Under lock.
 */
struct state {
	faults_lock lock;
	bool ready;
	char line[LINE]; /* as read last */
	int kind;        /* an index, or -1 */
	bool ever;
	unsigned long at;
	char only[16], lose[16];
	unsigned long seen, fired, unlinks;
	int call; /* an index, or -1 */
	uintptr_t where;
	unsigned live, files; /* of processes that have ended */
	unsigned losable;
};
static struct state *now;
/* The first process; its clones share its descriptors. */
static pid_t first_process;

_Thread_local bool faults_inside;

/* A thread that has ended, or whose process is a zombie. */
static bool is_dead(int thread)
{
	char path[64], stat[512];
	const char *state;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", thread);
	fd = NEXT(openat)(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	n = read(fd, stat, sizeof stat - 1);
	close(fd);
	if (n < 0)
		return errno == ESRCH;
	stat[n] = '\0';
	state = strrchr(stat, ')');
	return state && strchr("ZX", state[2]);
}

/*
 * No robust mutex: vhdfs makes its worker by the system call clone, and the C
 * library does not know the main thread of that.
 */
void faults_take(faults_lock *lock)
{
	const int error = errno, me = gettid();

	for (int tries = 1;; tries++) {
		int owner = 0;

		if (atomic_compare_exchange_strong(lock, &owner, me))
			break;
		if (tries % 64 == 0 && is_dead(owner) &&
		    atomic_compare_exchange_strong(lock, &owner, me))
			break;
		if (tries < 64)
			sched_yield();
		else
			usleep(100);
	}
	errno = error;
}

void faults_release(faults_lock *lock)
{
	atomic_store(lock, 0);
}

static void read_line(void)
{
	char kind[16] = "", form[16] = "";
	unsigned long generation;

	if (!memcmp(now->line, control, LINE))
		return;
	memcpy(now->line, control, LINE);
	now->line[LINE - 1] = '\0';
	now->kind = now->call = -1;
	now->seen = now->fired = now->unlinks = 0;
	now->live = now->files = now->losable = 0;
	now->where = 0;
	strcpy(now->lose, "none");
	if (sscanf(now->line, "%lu %15s %15s %lu %15s %15s", &generation, kind,
		   form, &now->at, now->only, now->lose) >= 5)
		for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
			if (!strcmp(kinds[i].name, kind))
				now->kind = (int)i;
	now->ever = !strcmp(form, "ever");
	now->line[LINE - 1] = '\n';
}

static void answer(void)
{
	char line[LINE];
	int n = snprintf(line, sizeof line, "%lu %lu %s %#lx %lu %u %u %u",
			 now->seen, now->fired,
			 now->call < 0 ? "-" : names[now->call],
			 (unsigned long)now->where, now->unlinks, now->live,
			 now->files, now->losable);

	memset(line + n, ' ', sizeof line - n);
	line[LINE - 1] = '\n';
	memcpy(control + LINE, line, LINE);
}

static const struct object *object_of(uintptr_t address)
{
	for (unsigned i = 0; i < n_objects; i++)
		if (address >= objects[i].first && address < objects[i].last)
			return &objects[i];
	return NULL;
}

enum owner faults_owner(uintptr_t address)
{
	const struct object *object = object_of(address);

	return object ? object->owner : OWNER_OTHER;
}

/* Ends the process as the kind says; with FAULT_CUTS under lock. */
static void end_process(const struct kind *kind)
{
	if (kind->code == FAULT_CUTS) {
		now->losable = power_begin_cut();
		answer();
		power_cut(now->lose);
	}
	if (kind->code == FAULT_ENDS || kind->code == FAULT_ENDED ||
	    kind->code == FAULT_CUTS)
		faults_end_program();
	kill(getpid(), SIGKILL);
}

void faults_end_program(void)
{
	kill(first_process, SIGKILL);
	kill(getpid(), SIGKILL);
}

const struct kind *faults_judge(enum call call, uintptr_t where)
{
	const struct kind *kind = NULL;

	if (!control)
		return NULL;
	faults_inside = true;
	faults_take(&now->lock);
	read_line();
	if (now->kind >= 0 && (kinds[now->kind].calls & BIT(call)) &&
	    (!strcmp(now->only, "-") || !strcmp(now->only, names[call]))) {
		now->seen++;
		if (now->seen == now->at || (now->ever && now->seen > now->at))
			kind = &kinds[now->kind];
	}
	if (kind) {
		now->unlinks += call == CALL_UNLINK;
		if (!now->fired++) {
			now->call = call;
			now->where = where - objects[0].first;
		}
	}
	answer();
	if (kind && kind->code == FAULT_CUTS)
		end_process(kind);
	faults_release(&now->lock);
	faults_inside = false;
	if (kind && (kind->code == FAULT_KILLS || kind->code == FAULT_ENDS))
		end_process(kind);
	return kind;
}

bool faults_spare_overwrites(void)
{
	bool ret;

	if (!control)
		return false;
	faults_take(&now->lock);
	read_line();
	ret = now->kind >= 0 && !strcmp(kinds[now->kind].name, "space");
	faults_release(&now->lock);
	return ret;
}

bool faults_is_after(const struct kind *kind)
{
	return kind->code == FAULT_KILLED || kind->code == FAULT_ENDED ||
	       kind->code == FAULT_PAUSED;
}

void faults_after(const struct kind *kind)
{
	const struct timespec delay = { .tv_nsec = 1000000 };
	char line[LINE];

	if (kind->code != FAULT_PAUSED)
		end_process(kind);
	memcpy(line, now->line, LINE - 1);
	while (!memcmp(line, control, LINE - 1))
		nanosleep(&delay, NULL);
}

bool faults_is_first(void)
{
	return now->fired == 1;
}

bool faults_are_on(void)
{
	return control;
}

/* Code that runs before and after main. */

static enum owner owner_of_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (!*path)
		return OWNER_PROGRAM;
	/* faults.so itself is as transparent as the C library. */
	if (!strncmp(name, "ld-", 3))
		return OWNER_LOADER;
	if (!strncmp(name, "libc.", 5) || !strncmp(name, "libgcc_s.", 9) ||
	    !strncmp(name, "faults.", 7))
		return OWNER_LIBC;
	for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
		if (!strncmp(name, counted[i], strlen(counted[i])))
			return OWNER_COUNTED;
	return OWNER_OTHER;
}

static int add_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct object object = { .first = UINTPTR_MAX };

	(void)size, (void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t first = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD)
			continue;
		if (first < object.first)
			object.first = first;
		if (first + ph->p_memsz > object.last)
			object.last = first + ph->p_memsz;
	}
	object.owner = owner_of_name(info->dlpi_name);
	if (n_objects < OBJECTS_MAX)
		objects[n_objects++] = object;
	return 0;
}

static void note_files(void)
{
	for (int fd = 0; fd < FILES_MAX; fd++)
		files_before[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* The state lies behind the lines; it is initialised if no other process has
 * used the file. */
static void take_state(void *map)
{
	now = (struct state *)((char *)map + STATE);
	control = map;
	if (now->ready)
		return;
	now->kind = now->call = -1;
	now->ready = true;
}

__attribute__((constructor)) static void begin(void)
{
	static char buffer[BUFSIZ];
	const char *path = getenv("FAULTS");
	int fd = path ? NEXT(openat)(AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	const size_t size = STATE + sizeof(struct state);
	void *map;

	if (fd < 0 || NEXT(ftruncate)(fd, size) < 0)
		return;
	/* The C library would allocate these at the first use, and never free
	 * them. */
	tzset();
	setvbuf(stdout, buffer, isatty(1) ? _IOLBF : _IOFBF, sizeof buffer);
	dl_iterate_phdr(add_object, NULL);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	note_files();
	first_process = getpid();
	if (map != MAP_FAILED)
		take_state(map);
	power_begin();
}

__attribute__((destructor)) static void end(void)
{
	unsigned files = 0, live;
	uintptr_t where = 0;

	if (!control)
		return;
	for (int fd = 3; fd < FILES_MAX; fd++)
		files += !files_before[fd] && fcntl(fd, F_GETFD) >= 0;
	faults_take(&now->lock);
	read_line();
	live = faults_live(&where);
	if (live)
		now->where = where - objects[0].first;
	now->live += live;
	if (getpid() == first_process)
		now->files += files;
	if (now->kind >= 0 && kinds[now->kind].code == FAULT_CUTS &&
	    !now->fired) {
		now->fired = 1;
		now->call = CALL_EXIT;
		end_process(&kinds[now->kind]);
	}
	answer();
	faults_release(&now->lock);
}
