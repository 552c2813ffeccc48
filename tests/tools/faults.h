/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Declarations that the parts of faults.so share; faults.c describes it. */
#ifndef TESTS_TOOLS_FAULTS_H
#define TESTS_TOOLS_FAULTS_H

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EXPORT __attribute__((visibility("default")))

enum call {
	CALL_READ,
	CALL_WRITE,
	CALL_SYNC,
	CALL_RESIZE,
	CALL_SHRINK,
	CALL_FALLOCATE,
	CALL_SEEK,
	CALL_OPEN,
	CALL_CREATE,
	CALL_READDIR,
	CALL_RENAME,
	CALL_LINK,
	CALL_UNLINK,
	CALL_CHMOD,
	CALL_MEMORY,
	CALL_EXIT,
	CALLS,
};

/* As the code of a kind: the process is killed instead (KILLS), all processes
 * of the program are (ENDS); the same after the call (KILLED, ENDED); changes
 * that are not durable are lost before (CUTS); the thread waits after the call
 * (PAUSED). */
enum {
	FAULT_KILLS = -1,
	FAULT_CUTS = -2,
	FAULT_ENDS = -3,
	FAULT_KILLED = -4,
	FAULT_ENDED = -5,
	FAULT_PAUSED = -6,
};

/* A kind of failure. */
struct kind {
	const char *name;
	unsigned calls;
	int code;    /* 0: no failure, only short */
	bool half;   /* a write or read does its first half first */
	bool filled; /* the first write is short, all others fail */
};

/* The owner of an address. */
enum owner {
	OWNER_OTHER,
	OWNER_PROGRAM,
	OWNER_COUNTED,
	OWNER_LIBC,
	OWNER_LOADER,
};

enum owner faults_owner(uintptr_t address);

/*
 * A lock in memory that processes share; 0: free, else the thread that has it.
 * A thread that was killed with it has it no more.
 */
typedef atomic_int faults_lock;
void faults_take(faults_lock *lock);
void faults_release(faults_lock *lock);

/* Kills all processes of the program. */
void faults_end_program(void);

/* Must this call fail, and how?  Null: no. */
const struct kind *faults_judge(enum call call, uintptr_t where);
/* Does the armed kind let calls succeed that take no space? */
bool faults_spare_overwrites(void);
/* Is the call to be done, and then faults_after called? */
bool faults_is_after(const struct kind *kind);
void faults_after(const struct kind *kind);
/* Has no call failed since the last change of CONTROL, except the one just
 * judged? */
bool faults_is_first(void);
/* Are failures enabled in this process? */
bool faults_are_on(void);

/*
 * The journal of changes that are not durable, for power cuts (faults-power.c).
 * A change begins before its call and ends after it; begin takes a lock, which
 * end releases.  begin returns null if the change is not recorded; end accepts
 * that.  done: the call succeeded.
 */
struct power_change;
void power_begin(void);
struct power_change *power_content(int fd, off_t off, size_t len, bool resizes);
struct power_change *power_mode(int fd);
struct power_change *power_owner(int fd);
struct power_change *power_attribute(int fd, const char *attribute);
void power_end(struct power_change *change, int fd, bool done);
/* from null: a file appears; to null: it loses a name. */
struct power_change *power_name(int from_dir, const char *from, int to_dir,
				const char *to);
void power_end_name(struct power_change *change, bool done);
/* A sync of this file or directory; all: of mode, owner and attributes too. */
void power_sync(int fd, bool all);
/* Begins a cut: from here on every process that changes or syncs a file ends.
 * Returns the number of changes that the cut may lose. */
unsigned power_begin_cut(void);
/* Loses changes; the process must end at once.  lose: all, none, -N (only the
 * N-th), +N (all but the N-th), sSEED. */
void power_cut(const char *lose);

/* The number of live allocations, and the caller of one of them. */
unsigned faults_live(uintptr_t *ret_where);

/* True inside faults.so, whose allocations are not counted. */
extern _Thread_local bool faults_inside
	__attribute__((tls_model("initial-exec")));

/* The next function of that name after the one of faults.so. */
#define NEXT(name)                                                  \
	({                                                          \
		static __typeof__(&name) next_;                     \
		if (!next_) {                                       \
			bool inside_ = faults_inside;               \
			faults_inside = true;                       \
			*(void **)&next_ = dlsym(RTLD_NEXT, #name); \
			faults_inside = inside_;                    \
		}                                                   \
		next_;                                              \
	})
#define CALLER __builtin_return_address(0)

#endif
