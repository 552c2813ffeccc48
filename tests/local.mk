# SPDX-License-Identifier: GPL-2.0-or-later
# The tests, their programs and their files.  Each test prints TAP, so make counts its
# cases.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_COMPILER = $(top_srcdir)/tests/run-unit
EXTRA_DIST += tests/run-unit
AM_TESTS_ENVIRONMENT = \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	MUTANT_CC='$(CC) $(DEFS) $(DEFAULT_INCLUDES) $(vhdfs_libvhdfs_a_CPPFLAGS) $(CPPFLAGS) $(AM_CFLAGS) $(CFLAGS) -Wno-error'; export MUTANT_CC; \
	MUTANT_LD='$(CC) $(AM_CFLAGS) $(CFLAGS) $(LDFLAGS)'; export MUTANT_LD; \
	MUTANT_LIBS='$(LDADD) $(LIBS)'; export MUTANT_LIBS; \
	MUTANT_VHDFS='$(vhdfs_vhdfs_OBJECTS)'; export MUTANT_VHDFS; \
	MUTANT_VHDFS_LIBS='$(vhdfs_vhdfs_LDADD) $(LIBS)'; export MUTANT_VHDFS_LIBS; \
	MUTANT_IMG='$(vhdfs_vhdfs_img_OBJECTS)'; export MUTANT_IMG; \
	MUTANT_IMG_LIBS='$(vhdfs_vhdfs_img_LDADD) $(LIBS)'; export MUTANT_IMG_LIBS; \
	$(NULL)

# Unit tests in C, over cmocka and the library; the source of TEST is TEST.c.
unit_tests = \
	tests/unit/test-base \
	tests/unit/test-bounds-vhd \
	tests/unit/test-bounds-vhdx \
	tests/unit/test-chain \
	tests/unit/test-chain-bad \
	tests/unit/test-chain-model \
	tests/unit/test-chain-parents \
	tests/unit/test-chain-threads \
	tests/unit/test-copyup \
	tests/unit/test-difference \
	tests/unit/test-read-only-format \
	tests/unit/test-rebase \
	tests/unit/test-recovery \
	tests/unit/test-recovery-fdstore \
	tests/unit/test-command-line \
	tests/unit/test-concurrency \
	tests/unit/test-stress \
	tests/unit/test-io-mem \
	tests/unit/test-rootdir \
	tests/unit/test-rootdir-mem \
	tests/unit/test-io \
	tests/unit/test-table-cache \
	tests/unit/test-extent-set \
	tests/unit/test-vhd \
	tests/unit/test-vhd-bad \
	tests/unit/test-vhd-check \
	tests/unit/test-vhd-flush \
	tests/unit/test-vhd-parent \
	tests/unit/test-vhd-samples \
	tests/unit/test-vhd-write \
	tests/unit/test-atomic-file \
	tests/unit/test-map-cache \
	tests/unit/test-image-names \
	tests/unit/test-quota \
	tests/unit/test-examination \
	tests/unit/test-space-need \
	tests/unit/test-events \
	tests/unit/test-samples \
	tests/unit/test-refusals \
	tests/unit/test-session-events \
	tests/unit/test-glue \
	tests/unit/test-last-applied \
	tests/unit/test-textfile \
	tests/unit/test-vhdx \
	tests/unit/test-vhdx-bad \
	tests/unit/test-vhdx-check \
	tests/unit/test-vhdx-log \
	tests/unit/test-vhdx-odd \
	tests/unit/test-vhdx-parent \
	tests/unit/test-vhdx-replay \
	tests/unit/test-vhdx-samples \
	$(NULL)

# The crash matrix, and faults of accesses and allocations.
crash_tests = \
	tests/crash/test-crash \
	tests/crash/test-fault \
	tests/crash/test-remove-parent \
	tests/crash/test-set-parent \
	$(NULL)

# Test programs: make builds each of them for the log of its test, and all of them
# where TESTS is empty.  Tools that tests in shell use are check_PROGRAMS.
test_programs =
EXTRA_PROGRAMS = $(test_programs)
EXTRA_LIBRARIES =
CLEANFILES += $(EXTRA_PROGRAMS) $(EXTRA_LIBRARIES)
check-local:
	@[ -n "$(TESTS)" ] || $(MAKE) $(AM_MAKEFLAGS) $(EXTRA_PROGRAMS)

if HAVE_CMOCKA
test_programs += $(unit_tests)
# test-mutants.sh links their objects.
check_PROGRAMS += $(crash_tests)
TESTS += $(unit_tests) $(crash_tests)
crash_world = \
	tests/crash/io-crash.c \
	tests/crash/io-crash.h \
	tests/crash/io-fault.c \
	tests/crash/io-fault.h \
	tests/crash/judge.c \
	tests/crash/judge.h \
	tests/crash/snapshot.c \
	tests/crash/world.c \
	tests/crash/world.h \
	$(NULL)
tests_crash_test_crash_SOURCES = tests/crash/test-crash.c $(crash_world)
tests_crash_test_fault_SOURCES = \
	$(crash_world) \
	tests/crash/alloc.c \
	tests/crash/test-fault.c \
	$(NULL)
tests_crash_test_fault_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free \
	-Wl,--wrap=strdup,--wrap=asprintf,--wrap=__asprintf_chk
tests_crash_test_remove_parent_SOURCES = \
	tests/crash/alloc.c \
	tests/crash/io-crash.c \
	tests/crash/io-fault.c \
	tests/crash/test-remove-parent.c \
	$(NULL)
tests_crash_test_remove_parent_LDFLAGS = $(tests_crash_test_fault_LDFLAGS)
tests_crash_test_set_parent_SOURCES = \
	tests/crash/alloc.c \
	tests/crash/io-crash.c \
	tests/crash/io-fault.c \
	tests/crash/test-set-parent.c \
	$(NULL)
tests_crash_test_set_parent_LDFLAGS = $(tests_crash_test_fault_LDFLAGS)
EXTRA_LIBRARIES += tests/unit/libunit.a
tests_unit_libunit_a_SOURCES = \
	tests/unit/disks.c \
	tests/unit/disks.h \
	tests/unit/io-mem.c \
	tests/unit/io-mem.h \
	tests/unit/io-pause.c \
	tests/unit/io-pause.h \
	tests/unit/io-stable.c \
	tests/unit/io-stable.h \
	tests/unit/mem-chain.c \
	tests/unit/mem-chain.h \
	tests/unit/pairs.c \
	tests/unit/pairs.h \
	tests/unit/rootdir-mem.c \
	tests/unit/rootdir-mem.h \
	tests/unit/scene.c \
	tests/unit/scene.h \
	tests/unit/script.c \
	tests/unit/script.h \
	tests/unit/unit.c \
	tests/unit/unit.h \
	tests/unit/vhd-model.c \
	tests/unit/vhd-model.h \
	tests/unit/vhd-tool.c \
	tests/unit/vhd-tool.h \
	tests/unit/vhdx-spoil.c \
	tests/unit/vhdx-spoil.h \
	tests/unit/vhdx-tool.c \
	tests/unit/vhdx-tool.h \
	$(NULL)
endif
# The libraries of a program without a list of its own: of a unit test.
LDADD = tests/unit/libunit.a $(LIBVHDFS_LIBS) $(CMOCKA_LIBS)
UNIT_CPPFLAGS = $(AM_CPPFLAGS)
UNIT_LIBS = $(LDADD)

# Tests of the library's memory count its allocations.
mem_count = -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc \
	-Wl,--wrap=free -Wl,--wrap=strdup
mem_count_sources = tests/unit/mem-count.c tests/unit/mem-count.h \
	tests/unit/sparse.c tests/unit/sparse.h
bounds_sources = tests/unit/bounds.c tests/unit/bounds.h $(mem_count_sources)
tests_unit_test_bounds_vhd_SOURCES = \
	tests/unit/test-bounds-vhd.c $(bounds_sources)
tests_unit_test_bounds_vhd_LDFLAGS = $(mem_count)
tests_unit_test_bounds_vhdx_SOURCES = \
	tests/unit/test-bounds-vhdx.c $(bounds_sources)
tests_unit_test_bounds_vhdx_LDFLAGS = $(mem_count)
tests_unit_test_atomic_file_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fsync
# libunit.a has a store_open of its own.
tests_unit_test_examination_LDADD = $(LIBVHDFS_LIBS) $(LDADD)
tests_unit_test_examination_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=examine
tests_unit_test_textfile_LDADD = $(LIBGLUE_LIBS) $(LDADD) $(JANSSON_LIBS)
tests_unit_test_textfile_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=strdup,--wrap=getdelim
tests_unit_test_events_LDADD = $(LIBGLUE_LIBS) $(LDADD) $(JANSSON_LIBS)
tests_unit_test_events_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=sd_journal_sendv
tests_unit_test_session_events_LDADD = \
	$(LIBGLUE_LIBS) $(LDADD) $(JANSSON_LIBS)
tests_unit_test_refusals_LDADD = $(LIBGLUE_LIBS) $(LDADD) $(JANSSON_LIBS)
tests_unit_test_samples_LDADD = $(LIBGLUE_LIBS) $(LDADD) $(JANSSON_LIBS)
tests_unit_test_glue_LDADD = $(LIBGLUE_LIBS) $(LDADD) $(JANSSON_LIBS)
tests_unit_test_last_applied_LDADD = $(LIBGLUE_LIBS) $(LDADD) $(JANSSON_LIBS)

# Programs that shell tests have in their PATH.
check_PROGRAMS += tests/tools/disk-io
tests_tools_disk_io_SOURCES = tests/tools/disk-io.c
tests_tools_disk_io_LDADD = $(LIBVHDFS_LIBS)
tests_unit_test_base_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_base_LDADD = $(UNIT_LIBS)
tests_unit_test_io_mem_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_io_mem_LDADD = $(UNIT_LIBS)
tests_unit_test_vhd_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_vhd_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/tools/file-io
tests_tools_file_io_SOURCES = tests/tools/file-io.c
tests_tools_file_io_LDADD = $(PTHREAD_LIBS)
check_PROGRAMS += tests/tools/forge-child tests/tools/racer
tests_tools_forge_child_SOURCES = tests/tools/forge-child.c
tests_tools_forge_child_LDADD = $(LIBVHDFS_LIBS)
tests_tools_racer_SOURCES = tests/tools/racer.c
tests_tools_racer_LDADD = $(PTHREAD_LIBS)
check_PROGRAMS += tests/tools/nbd-short
tests_tools_nbd_short_SOURCES = tests/tools/nbd-short.c
tests_tools_nbd_short_LDADD =
check_PROGRAMS += tests/tools/manager
tests_tools_manager_SOURCES = tests/tools/manager.c
tests_tools_manager_LDADD =
check_PROGRAMS += tests/tools/exercise
tests_tools_exercise_SOURCES = \
	tests/tools/exercise-ops.c \
	tests/tools/exercise-range.c \
	tests/tools/exercise-trace.c \
	tests/tools/exercise-work.c \
	tests/tools/exercise.c \
	tests/tools/exercise.h \
	$(NULL)
tests_tools_exercise_LDADD = $(PTHREAD_LIBS)

# A library that is loaded into a program and makes its calls fail.  It is built
# without the flags of the programs: it cannot have a sanitizer, and _FORTIFY_SOURCE
# would replace functions that it defines by inline functions.
check_DATA += tests/tools/faults.so
faults_sources = \
	tests/tools/faults.c \
	tests/tools/faults-calls.c \
	tests/tools/faults-memory.c \
	tests/tools/faults-power.c \
	$(NULL)
EXTRA_DIST += $(faults_sources) tests/tools/faults.h
CLEANFILES += tests/tools/faults.so
tests/tools/faults.so: $(faults_sources) tests/tools/faults.h
	@$(MKDIR_P) tests/tools
	$(AM_V_CCLD)cd $(top_srcdir) && $(CC) -I$(abs_top_builddir) -Itests \
		$(CPPFLAGS) -U_FORTIFY_SOURCE $(WARN_CFLAGS) -O2 -g -shared -fPIC -pthread \
		-fvisibility=hidden -o $(abs_top_builddir)/$@ $(faults_sources)
check_DATA += tests/tools/libfuse.so
EXTRA_DIST += tests/tools/libfuse.c
CLEANFILES += tests/tools/libfuse.so
tests/tools/libfuse.so: tests/tools/libfuse.c
	$(AM_V_CCLD)$(MKDIR_P) tests/tools && \
		$(CC) -g -O1 -Wall -Wextra -fPIC -shared -o $@ \
		$(srcdir)/tests/tools/libfuse.c
check_PROGRAMS += tests/tools/load
tests_tools_load_SOURCES = tests/tools/load.c tests/tools/load-disk.c \
	tests/tools/load-events.c tests/tools/load-look.c \
	tests/tools/load-record.c tests/tools/load.h
tests_tools_load_LDADD = $(PTHREAD_LIBS)

bench_programs =
if HAVE_LIBISCSI
tests_tools_load_SOURCES += tests/tools/load-iscsi.c
tests_tools_load_CPPFLAGS = $(AM_CPPFLAGS) -DWITH_ISCSI
tests_tools_load_CFLAGS = $(AM_CFLAGS) $(LIBISCSI_CFLAGS)
tests_tools_load_LDADD += $(LIBISCSI_LIBS)
check_PROGRAMS += tests/tgt/initiator
tests_tgt_initiator_SOURCES = tests/tgt/initiator.c
tests_tgt_initiator_CFLAGS = $(AM_CFLAGS) $(LIBISCSI_CFLAGS)
tests_tgt_initiator_LDADD = $(LIBISCSI_LIBS)
bench_programs += tests/bench/storm
tests_bench_storm_SOURCES = \
	tests/bench/storm.c \
	tests/bench/trace.c \
	tests/bench/trace.h \
	$(NULL)
tests_bench_storm_CFLAGS = $(AM_CFLAGS) $(LIBISCSI_CFLAGS)
tests_bench_storm_LDADD = $(LIBISCSI_LIBS)
endif

# What contrib/bench measures with, and against.
bench_programs += tests/bench/passthrough
tests_bench_passthrough_SOURCES = tests/bench/passthrough.c
tests_bench_passthrough_CFLAGS = $(AM_CFLAGS) $(FUSE_CFLAGS)
tests_bench_passthrough_LDADD = $(FUSE_LIBS) $(PTHREAD_LIBS)
bench_programs += tests/bench/cost tests/bench/fill-table tests/bench/pacer \
	tests/bench/syncer
tests_bench_cost_SOURCES = tests/bench/cost.c
tests_bench_cost_LDADD =
tests_bench_fill_table_SOURCES = tests/bench/fill-table.c
tests_bench_fill_table_LDADD =
tests_bench_pacer_SOURCES = tests/bench/pacer.c
tests_bench_pacer_LDADD = $(PTHREAD_LIBS)
tests_bench_syncer_SOURCES = tests/bench/syncer.c
tests_bench_syncer_LDADD = $(PTHREAD_LIBS)
EXTRA_DIST += \
	tests/bench/bench.sh \
	tests/bench/plot.gp \
	tests/bench/report.jq \
	tests/bench/report.sh \
	tests/bench/requirements \
	tests/bench/sides.sh \
	tests/bench/works-file.sh \
	tests/bench/works-fleet.sh \
	tests/bench/works-images.sh \
	tests/bench/works-snapshots.sh \
	tests/bench/works-storm.sh \
	tests/bench/works-sync.sh \
	tests/bench/works-tgt.sh \
	$(NULL)

# Hostile inputs; with libFuzzer tests/fuzz/build-live builds the same.
check_PROGRAMS += $(bench_programs) tests/fuzz/replay
tests_fuzz_replay_SOURCES = \
	$(mem_count_sources) \
	tests/fuzz/families.c \
	tests/fuzz/fuzz-chain.c \
	tests/fuzz/fuzz-check.c \
	tests/fuzz/fuzz-single.c \
	tests/fuzz/fuzz.c \
	tests/fuzz/fuzz.h \
	tests/fuzz/image.c \
	tests/fuzz/image.h \
	tests/fuzz/replay.c \
	tests/unit/io-mem.c \
	tests/unit/io-mem.h \
	tests/unit/rootdir-mem.c \
	tests/unit/rootdir-mem.h \
	$(NULL)
tests_fuzz_replay_LDFLAGS = $(mem_count) -Wl,--wrap=guid_random
tests_fuzz_replay_LDADD = $(LIBGLUE_LIBS)
EXTRA_DIST += tests/fuzz/build-live tests/fuzz/corpus tests/fuzz/live.c

# Shell tests, over tests/lib.sh, whose first lines say how to write one.
EXTRA_DIST += \
	tests/boot-sector.sh \
	tests/readme.sh \
	tests/boot/boot.sh \
	tests/boot/guest/vhdfs-boot \
	tests/boot/guest/vhdfs-boot.service \
	tests/boot/make-disk \
	tests/cockpit/buttons.mjs \
	tests/cockpit/cockpit.sh \
	tests/cockpit/facts.mjs \
	tests/cockpit/hostile.mjs \
	tests/cockpit/invented-glue.mjs \
	tests/cockpit/live.mjs \
	tests/cockpit/look.mjs \
	tests/cockpit/masters.mjs \
	tests/cockpit/many.mjs \
	tests/cockpit/package-lock.json \
	tests/cockpit/package.json \
	tests/cockpit/page.mjs \
	tests/cockpit/pictures.mjs \
	tests/cockpit/reach.mjs \
	tests/cockpit/trouble.mjs \
	tests/cockpit/users.mjs \
	tests/cockpit/views.mjs \
	tests/confine/common.sh \
	tests/contents.sh \
	tests/faults/faults.sh \
	tests/faults/power-cut.sh \
	tests/cost/cost.sh \
	tests/faults/faults.sh \
	tests/faults/rename.sh \
	tests/interop/readers.sh \
	tests/kill/kill.sh \
	tests/kill/small-fs.sh \
	tests/kill/snapshots.sh \
	tests/supervise/descriptor-store.sh \
	tests/supervise/supervise.sh \
	tests/lib.sh \
	tests/locks/common.sh \
	tests/mount/common.sh \
	tests/nbdkit/common.sh \
	tests/systemd/systemd.sh \
	tests/tgt/events.sh \
	tests/tgt/interrupted.sh \
	tests/tgt/journal.sh \
	tests/tgt/make-old-store \
	tests/tgt/shards.sh \
	tests/tgt/store-0.1.0.tar.xz \
	tests/tgt/states.sh \
	tests/tgt/tgt.sh \
	tests/tgt/verdicts.awk \
	tests/tgt/versions.sh \
	$(NULL)
lib_tests = \
	tests/test-build.sh \
	tests/test-clang.sh \
	tests/test-demo.sh \
	tests/test-house.sh \
	tests/test-malformed.sh \
	tests/test-packages.sh \
	tests/test-readme.sh \
	tests/test-readme-backup.sh \
	tests/test-windows.sh \
	tests/test-readme-builds.sh \
	tests/test-lib.sh \
	$(NULL)
bench_tests = \
	tests/bench/test-bench.sh \
	$(NULL)
img_tests = \
	tests/img/test-repair.sh \
	tests/img/test-truncated.sh \
	tests/img/test-check.sh \
	tests/img/test-compare.sh \
	tests/img/test-convert.sh \
	tests/img/test-create.sh \
	tests/img/test-delete-snapshot.sh \
	tests/img/test-documentation.sh \
	tests/img/test-info.sh \
	tests/img/test-map.sh \
	tests/img/test-mounted.sh \
	tests/img/test-mutated.sh \
	tests/img/test-nbd.sh \
	tests/img/test-owner.sh \
	tests/img/test-rebase-room.sh \
	tests/img/test-rebase.sh \
	tests/img/test-rename.sh \
	tests/img/test-snapshot.sh \
	tests/img/test-usage.sh \
	$(NULL)
interop_tests = \
	tests/interop/test-children.sh \
	tests/interop/test-qemu.sh \
	tests/interop/test-samples.sh \
	tests/interop/test-snapshots.sh \
	tests/interop/test-xen.sh \
	$(NULL)
mount_tests = \
	tests/mount/test-attributes.sh \
	tests/mount/test-children.sh \
	tests/mount/test-read-write.sh \
	tests/mount/test-exercise.sh \
	tests/mount/test-filesystems.sh \
	tests/mount/test-store-changes.sh \
	tests/mount/test-replaced.sh \
	tests/mount/test-many.sh \
	tests/mount/test-names.sh \
	tests/mount/test-mountpoint.sh \
	tests/mount/test-programs.sh \
	tests/mount/test-refusals.sh \
	tests/mount/test-samples.sh \
	tests/mount/test-mounting.sh \
	tests/mount/test-snapshot.sh \
	tests/mount/test-space.sh \
	tests/mount/test-stall.sh \
	$(NULL)
nbdkit_tests = \
	tests/nbdkit/test-exports.sh \
	tests/nbdkit/test-kill.sh \
	tests/nbdkit/test-read.sh \
	tests/nbdkit/test-refusals.sh \
	tests/nbdkit/test-samples.sh \
	tests/nbdkit/test-write.sh \
	$(NULL)
systemd_tests = \
	tests/systemd/test-service.sh \
	tests/systemd/test-tgtd.sh \
	tests/systemd/test-units.sh \
	$(NULL)
tgt_tests = \
	tests/tgt/test-access-matrix.sh \
	tests/tgt/test-access.sh \
	tests/tgt/test-advice.sh \
	tests/tgt/test-apply.sh \
	tests/tgt/test-backup.sh \
	tests/tgt/test-boot-reset.sh \
	tests/tgt/test-boot.sh \
	tests/tgt/test-conf.sh \
	tests/tgt/test-data-disks.sh \
	tests/tgt/test-data-states.sh \
	tests/tgt/test-data-versions.sh \
	tests/tgt/test-end-session.sh \
	tests/tgt/test-export.sh \
	tests/tgt/test-exports.sh \
	tests/tgt/test-follow.sh \
	tests/tgt/test-fleet-story.sh \
	tests/tgt/test-forged.sh \
	tests/tgt/test-generate.sh \
	tests/tgt/test-groups.sh \
	tests/tgt/test-include.sh \
	tests/tgt/test-interrupt.sh \
	tests/tgt/test-io-errors.sh \
	tests/tgt/test-links.sh \
	tests/tgt/test-log.sh \
	tests/tgt/test-many.sh \
	tests/tgt/test-mistakes.sh \
	tests/tgt/test-new-clients.sh \
	tests/tgt/test-noticed.sh \
	tests/tgt/test-old-store.sh \
	tests/tgt/test-orphans.sh \
	tests/tgt/test-printable.sh \
	tests/tgt/test-publish-interrupt.sh \
	tests/tgt/test-publish-names.sh \
	tests/tgt/test-publish.sh \
	tests/tgt/test-reader.sh \
	tests/tgt/test-rename.sh \
	tests/tgt/test-quota.sh \
	tests/tgt/test-reopen.sh \
	tests/tgt/test-reset.sh \
	tests/tgt/test-restore-from.sh \
	tests/tgt/test-scrub.sh \
	tests/tgt/test-scsi.sh \
	tests/tgt/test-select.sh \
	tests/tgt/test-shards.sh \
	tests/tgt/test-space.sh \
	tests/tgt/test-status-denied.sh \
	tests/tgt/test-status-mount.sh \
	tests/tgt/test-status.sh \
	tests/tgt/test-suite.sh \
	tests/tgt/test-tgt-admin.sh \
	tests/tgt/test-tgtd-death.sh \
	tests/tgt/test-tgtd-state.sh \
	tests/tgt/test-undo.sh \
	tests/tgt/test-values.sh \
	tests/tgt/test-version-states.sh \
	tests/tgt/test-versions.sh \
	tests/tgt/test-warn.sh \
	tests/tgt/test-watch.sh \
	$(NULL)
if HAVE_CMOCKA
mutant_tests = tests/crash/test-mutants.sh
endif
EXTRA_DIST += tests/crash/test-mutants.sh
cockpit_tests = \
	tests/cockpit/test-buttons.sh \
	tests/cockpit/test-harness.sh \
	tests/cockpit/test-hostile.sh \
	tests/cockpit/test-look.sh \
	tests/cockpit/test-many.sh \
	tests/cockpit/test-page.sh \
	tests/cockpit/test-trouble.sh \
	$(NULL)
confine_tests = \
	tests/confine/test-locators.sh \
	tests/confine/test-swaps.sh \
	$(NULL)
cost_tests = \
	tests/cost/test-cost.sh \
	tests/cost/test-fleet.sh \
	$(NULL)
locks_tests = \
	tests/locks/test-mounts.sh \
	tests/locks/test-namespaces.sh \
	tests/locks/test-new-parent.sh \
	tests/locks/test-parents.sh \
	tests/locks/test-programs.sh \
	tests/locks/test-unfinished.sh \
	$(NULL)
fuzz_tests = \
	tests/fuzz/test-corpus.sh \
	tests/fuzz/test-fuzz.sh \
	$(NULL)
kill_tests = \
	tests/kill/test-dying-fs.sh \
	tests/kill/test-fio.sh \
	tests/kill/test-full.sh \
	tests/kill/test-kill.sh \
	tests/kill/test-load.sh \
	tests/kill/test-snapshot.sh \
	$(NULL)
supervise_tests = \
	tests/supervise/test-descriptor-store.sh \
	tests/supervise/test-open.sh \
	tests/supervise/test-notify.sh \
	tests/supervise/test-libfuse.sh \
	tests/supervise/test-reopen.sh \
	tests/supervise/test-snapshot.sh \
	tests/supervise/test-upgrade.sh \
	tests/supervise/test-device.sh \
	tests/supervise/test-walk.sh \
	tests/supervise/test-worker.sh \
	$(NULL)
faults_tests = \
	tests/faults/test-check.sh \
	tests/faults/test-continued-copy.sh \
	tests/faults/test-convert.sh \
	tests/faults/test-create.sh \
	tests/faults/test-delete-snapshot.sh \
	tests/faults/test-fortified.sh \
	tests/faults/test-moments-online.sh \
	tests/faults/test-mount.sh \
	tests/faults/test-names-online.sh \
	tests/faults/test-order-mutants.sh \
	tests/faults/test-owner.sh \
	tests/faults/test-power-cut.sh \
	tests/faults/test-power-cut-online.sh \
	tests/faults/test-power-cut-rename.sh \
	tests/faults/test-rebase-online.sh \
	tests/faults/test-rename.sh \
	tests/faults/test-snapshot-online.sh \
	tests/faults/test-snapshot.sh \
	$(NULL)
shell_tests = \
	$(bench_tests) \
	$(cockpit_tests) \
	$(confine_tests) \
	$(fuzz_tests) \
	$(kill_tests) \
	$(lib_tests) \
	$(mutant_tests) \
	$(cost_tests) \
	$(locks_tests) \
	$(faults_tests) \
	$(img_tests) \
	$(interop_tests) \
	$(mount_tests) \
	$(nbdkit_tests) \
	$(supervise_tests) \
	$(systemd_tests) \
	$(tgt_tests) \
	$(NULL)
dist_check_SCRIPTS += $(shell_tests)
TESTS += $(shell_tests)

# Long tests: minutes each, for many clients, seeds or builds.  Shorter tests have the
# same cases with fewer of these.  contrib/check runs them with --all, --only and
# --long.  Without these it takes a sample of other tests (VHDFS_SAMPLE).
long_tests = \
	tests/bench/test-bench.sh \
	tests/cockpit/test-many.sh \
	tests/faults/test-order-mutants.sh \
	tests/fuzz/test-fuzz.sh \
	tests/interop/test-samples.sh \
	tests/kill/test-dying-fs.sh \
	tests/kill/test-full.sh \
	tests/nbdkit/test-samples.sh \
	tests/test-build.sh \
	tests/test-demo.sh \
	tests/test-readme-builds.sh \
	tests/tgt/test-many.sh \
	tests/tgt/test-suite.sh \
	$(NULL)

# The tests in the build of a package, which any user runs, without /dev/fuse.
package_tests = \
	$(unit_tests) \
	tests/crash/test-crash \
	tests/faults/test-check.sh \
	tests/faults/test-convert.sh \
	tests/faults/test-create.sh \
	tests/faults/test-fortified.sh \
	$(img_tests) \
	tests/nbdkit/test-exports.sh \
	tests/nbdkit/test-read.sh \
	tests/nbdkit/test-write.sh \
	$(NULL)
# The tests that run with installed programs.
installed_tests = \
	$(img_tests) \
	tests/mount/test-attributes.sh \
	tests/mount/test-children.sh \
	tests/mount/test-read-write.sh \
	tests/mount/test-store-changes.sh \
	tests/mount/test-names.sh \
	tests/mount/test-refusals.sh \
	tests/mount/test-mounting.sh \
	tests/nbdkit/test-exports.sh \
	tests/nbdkit/test-read.sh \
	tests/nbdkit/test-refusals.sh \
	tests/nbdkit/test-write.sh \
	tests/supervise/test-upgrade.sh \
	tests/supervise/test-worker.sh \
	tests/tgt/test-apply.sh \
	tests/tgt/test-data-disks.sh \
	tests/tgt/test-export.sh \
	tests/tgt/test-reset.sh \
	tests/tgt/test-status.sh \
	tests/tgt/test-watch.sh \
	$(NULL)
check-package:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(package_tests)'
check-installed:
	VHDFS_INSTALLED=yes $(MAKE) $(AM_MAKEFLAGS) check TESTS='$(installed_tests)'
.PHONY: check-package check-installed

# Those of the others that take longest, the longest first.  contrib/check starts
# these first, after long_tests: none of them runs alone at the end.
slow_tests = \
	tests/tgt/test-watch.sh \
	tests/crash/test-remove-parent \
	tests/unit/test-concurrency \
	tests/tgt/test-reset.sh \
	tests/cockpit/test-page.sh \
	tests/cockpit/test-trouble.sh \
	tests/cockpit/test-buttons.sh \
	tests/tgt/test-data-versions.sh \
	tests/faults/test-power-cut.sh \
	tests/faults/test-owner.sh \
	tests/tgt/test-publish-interrupt.sh \
	tests/supervise/test-worker.sh \
	tests/systemd/test-service.sh \
	tests/crash/test-mutants.sh \
	tests/crash/test-fault \
	tests/tgt/test-version-states.sh \
	tests/faults/test-power-cut-rename.sh \
	tests/faults/test-rebase-online.sh \
	tests/faults/test-power-cut-online.sh \
	tests/mount/test-snapshot.sh \
	tests/tgt/test-old-store.sh \
	tests/img/test-delete-snapshot.sh \
	tests/tgt/test-backup.sh \
	tests/tgt/test-versions.sh \
	tests/kill/test-kill.sh \
	tests/cockpit/test-hostile.sh \
	tests/mount/test-exercise.sh \
	tests/faults/test-rename.sh \
	tests/tgt/test-noticed.sh \
	tests/test-house.sh \
	tests/tgt/test-undo.sh \
	tests/tgt/test-boot.sh \
	tests/mount/test-samples.sh \
	$(NULL)

# In the order in which contrib/check starts them.
list-tests:
	@printf '%s\n' $(TESTS) - $(long_tests) $(slow_tests) $(TESTS) | awk ' \
		$$0 == "-" { known = 1; next } \
		!known { tests[$$0]; next } \
		$$0 in tests && !printed[$$0]++'
list-short-tests:
	@$(MAKE) -s list-tests | grep -vxF "`printf '%s\n' $(long_tests)`"
.PHONY: list-tests list-short-tests

# Tests that boot machines are not in TESTS: contrib/check runs each for its option.
# make has a rule for their ending.
TEST_LOG_DRIVER = $(LOG_DRIVER)
dist_check_SCRIPTS += tests/boot/boot.test
dist_check_SCRIPTS += tests/releases/releases.test tests/releases/test-between.sh
dist_check_SCRIPTS += tests/systemd/machine.test
dist_check_SCRIPTS += tests/packages/packages.test
EXTRA_DIST += tests/systemd/machine.sh tests/systemd/writers.sh tests/packages/base
EXTRA_DIST += tests/debian/debian.sh tests/debian/inside.sh tests/debian/make-root
check-boot:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS=tests/boot/boot.test
.PHONY: check-boot

# What tests/cockpit leaves in the build directory.
clean-local: clean-cockpit-tests
clean-cockpit-tests:
	rm -rf node tests/cockpit/pictures
.PHONY: clean-cockpit-tests
