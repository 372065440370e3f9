# Tests, benchmarks, style. Included by the Makefile.
#
#   tests/unit/test_*.c       one program each, on libcheck
#   tests/conformance/*.c     one program, run once for each driver
#   tests/kernel/*.c          one program each; exit status 77 says that this kernel is not the place to ask
#   tests/fault/*.c           one program, run once for each driver of this process
#   tests/fuzz/fuzz_*.c       one libFuzzer target each; corpus in tests/fuzz/corpus/NAME; replayed by check
#
# Other makefiles may append targets to CHECK_EXTRA. check runs each; one that wants its own numbers in the last line starts
# its programs with $(run_test), see tests/run.

-include tests/bench/bench.mk
-include tests/e2e/e2e.mk
-include tests/golden/golden.mk

# the daemon's can be left out for one reason only, and then loudly
CONFORMANCE_DRIVERS := io_uring epoll denied $(if $(wildcard daemon/main.c),daemon daemon-on-epoll daemon-by-socket daemon-without-spin daemon-of-threads)
SECONDS ?= 60

T_DIR := $(B)/tests
RESULTS := $(T_DIR)/results
# $(call run_test,NAME) PROGRAM ARGUMENTS: runs it, under valgrind with MODE=valgrind, and counts
run_test = tests/run $(RESULTS) $(1) env $(test_environment) $(call test_wrap,$(1))

is_valgrind := $(filter valgrind,$(MODE))
ifneq ($(filter-out $(is_valgrind),$(WRAP)),)
$(error WRAP=$(WRAP): there is only WRAP=valgrind, the same as MODE=valgrind)
endif
# What the kernel writes for a ring, valgrind does not see, and takes what was read for uninitialised. So there it looks at
# addresses and leaks only; the rest it sees where the same code runs on epoll, and in the client of a daemon on epoll.
on_a_ring := $(addprefix conformance-,io_uring daemon daemon-by-socket daemon-without-spin daemon-of-threads) fault-io_uring \
	fuzz-ring fuzz-session server uring
valgrind := valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
	--suppressions=tests/valgrind.supp --trace-children=yes --trace-children-skip=/bin/*,/usr/bin/*
test_wrap = $(if $(is_valgrind),$(valgrind) $(if $(filter $(on_a_ring),$(1)),--undef-value-errors=no))
test_environment := $(if $(CASE),CK_RUN_CASE=$(CASE)) $(if $(is_valgrind),TEST_SLOW=1) \
	$(if $(is_valgrind)$(filter tsan,$(MODE)),CK_TIMEOUT_MULTIPLIER=3)

# ---- what there is ----

unit_sources := $(wildcard tests/unit/test_*.c)
unit_programs := $(patsubst %.c,$(B)/%,$(unit_sources))
unit_names := $(patsubst tests/unit/test_%.c,%,$(unit_sources))
conformance_program := $(T_DIR)/conformance/conformance
kernel_sources := $(wildcard tests/kernel/*.c)
kernel_programs := $(patsubst %.c,$(B)/%,$(kernel_sources))
fault_program := $(T_DIR)/fault/fault
FAULT_DRIVERS := io_uring $(if $(wildcard driver/epoll.c),epoll)
fuzz_sources := $(wildcard tests/fuzz/fuzz_*.c)
fuzz_names := $(patsubst tests/fuzz/fuzz_%.c,%,$(fuzz_sources))
replay_programs := $(patsubst %.c,$(B)/%_replay,$(fuzz_sources))
fuzz_programs := $(patsubst %.c,$(B)/%,$(fuzz_sources))

# ---- building them ----

# all of the daemon but its main(), and the libraries, as far as they are there
test_libs := $(if $(filter-out daemon/main.c,$(daemon_sources)),$(B)/libproactord.a) \
	$(if $(client_sources),$(B)/libproactor-client.a) $(B)/libproactor.a
remote_driver := $(if $(client_sources),$(shell grep -l '^int remote_new' $(client_sources)))
test_link = $(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(if $(remote_driver),-Wl$(comma)-u$(comma)remote_new) \
	-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call pkg_libs,liburing $(msgpack_package)) $(daemon_libs)
comma := ,

# what valgrind does not know, its programs have in another way, and the daemon is one of them
waits := $(if $(is_valgrind),$(B)/tests/waits.o)
$(B)/proactord: $(waits)

$(B)/tests/unit/%.o $(B)/tests/conformance/%.o $(B)/tests/fault/%.o $(B)/tests/harness.o: ALL_CFLAGS += $(call pkg_cflags,check)

$(unit_programs): $(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/tests/harness.o $(waits) $(test_libs)
	$(call say,LD,$@)
	$(Q)$(test_link) $(call pkg_libs,check)

$(conformance_program): $(call objects,$(wildcard tests/conformance/*.c)) $(B)/tests/harness.o $(waits) $(test_libs)
	$(call say,LD,$@)
	$(Q)$(test_link) $(call pkg_libs,check)

$(kernel_programs): %: %.o
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,liburing)

# What tests/fault/wrap*.c stand in for. The driver's own is in the library, but for the parts that make system calls themselves.
fault_wrapped := malloc calloc realloc aligned_alloc mmap64 eventfd timerfd_create pthread_create timer_create poll recv send \
	accept4 preadv64v2 pwritev64v2 epoll_create1 epoll_ctl epoll_wait epoll_pwait2 $(addprefix io_uring_,setup queue_mmap \
	queue_exit register_probe register_ring_fd register_eventfd register_files_sparse register_files_update \
	unregister_files register_buffers_sparse register_buffers_update_tag register_buf_ring enter2)

fault_raw := $(addprefix $(B)/tests/fault/,uring_queue.o front.o)

$(fault_raw): $(B)/tests/fault/%.o: driver/%.c $(flags_stamp)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DDRIVER_CALLS_LIBRARIES -MMD -MP -MF $@.d -c -o $@ $<

$(fault_program): $(call objects,$(wildcard tests/fault/*.c)) $(fault_raw) $(B)/tests/harness.o \
		$(waits) $(B)/libproactor.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(addprefix -Wl$(comma)--wrap=,$(fault_wrapped)) $(call pkg_libs,liburing check)

$(replay_programs): %_replay: %.o $(B)/tests/fuzz/server.o $(B)/tests/fuzz/replay.o $(waits) $(test_libs)
	$(call say,LD,$@)
	$(Q)$(test_link)

$(fuzz_programs): %: %.o $(B)/tests/fuzz/server.o $(test_libs)
	$(call say,LD,$@)
	$(Q)$(test_link) -fsanitize=fuzzer

# ---- running them ----

lint_parts := tidy lint-format lint-cppcheck lint-shell lint-clang

.PHONY: check check-build check-unit conformance kernel fault check-fuzz fuzz lint $(lint_parts) fmt daemon-is-missing
.PHONY: $(addprefix run-unit-,$(unit_names)) $(addprefix run-conformance-,$(CONFORMANCE_DRIVERS))
.PHONY: $(addprefix run-fault-,$(FAULT_DRIVERS))
.PHONY: $(addprefix run-kernel-,$(notdir $(kernel_programs))) $(addprefix run-fuzz-,$(fuzz_names))

# valgrind is for our code, in programs of ours: no promises of the kernel, and no Python
check_parts := check-unit conformance $(if $(is_valgrind),,kernel) fault check-fuzz $(if $(is_valgrind),,$(CHECK_EXTRA))
# a unit, one of the drivers that conformance or fault is run on, one target or one program of the e2e tests, or a part
program_names := $(addprefix conformance-,$(CONFORMANCE_DRIVERS)) $(addprefix fault-,$(FAULT_DRIVERS)) \
	$(addprefix fuzz-,$(fuzz_names)) $(addprefix e2e-,$(e2e_suites) $(e2e_scripts) $(e2e_threaded))
suite_target = $(addprefix run-unit-,$(filter $(1),$(unit_names))) $(addprefix run-,$(filter $(1),$(program_names))) \
	$(filter $(1) check-$(1),$(check_parts))
ifneq ($(SUITE),)
unknown_suites := $(strip $(foreach suite,$(SUITE),$(if $(strip $(call suite_target,$(suite))),,$(suite))))
check_parts := $(foreach suite,$(SUITE),$(call suite_target,$(suite)))
endif
# a build with libFuzzer's hooks is for fuzzing only
check_needs := all $(unit_programs) $(conformance_program) $(kernel_programs) $(fault_program) $(replay_programs)

# Every part runs, whatever the one before it said; one after another, so that their lines do not mix;
# with results of its own, so that two runs at once do not mix either.
check: $(if $(SUITE),,$(check_needs))
	$(if $(unknown_suites),$(error SUITE=$(unknown_suites) is none of: $(unit_names) conformance $(program_names) kernel \
		fault fuzz $(CHECK_EXTRA)))
	@results=$(T_DIR)/results-$$$$; status=0; for part in $(check_parts); do \
		$(MAKE) --no-print-directory -k -j1 RESULTS=$$results $$part || status=1; done; \
	tests/run --sum $$results || status=1; rm -f $$results; exit $$status

check-unit: $(addprefix run-unit-,$(unit_names))
$(addprefix run-unit-,$(unit_names)): run-unit-%: $(B)/tests/unit/test_%
	@$(call run_test,$*) $<

conformance: $(addprefix run-conformance-,$(CONFORMANCE_DRIVERS))
$(addprefix run-conformance-,$(CONFORMANCE_DRIVERS)): run-conformance-%: $(conformance_program)
	@$(call run_test,conformance-$*) $< $* $(B)/proactord

ifneq ($(wildcard daemon/main.c),)
$(addprefix run-conformance-,$(filter daemon%,$(CONFORMANCE_DRIVERS))): $(B)/proactord
else
conformance: daemon-is-missing
daemon-is-missing:
	@echo '*** conformance of the daemon NOT RUN: there is no daemon/main.c'
endif

kernel: $(addprefix run-kernel-,$(notdir $(kernel_programs)))
$(addprefix run-kernel-,$(notdir $(kernel_programs))): run-kernel-%: $(B)/tests/kernel/%
	@$(call run_test,kernel-$*) $<

fault: $(addprefix run-fault-,$(FAULT_DRIVERS))
$(addprefix run-fault-,$(FAULT_DRIVERS)): run-fault-%: $(fault_program)
	@$(call run_test,fault-$*) $< $*

check-fuzz: $(addprefix run-fuzz-,$(fuzz_names))
$(addprefix run-fuzz-,$(fuzz_names)): run-fuzz-%: $(B)/tests/fuzz/fuzz_%_replay
	@$(call run_test,fuzz-$*) $< $(wildcard tests/fuzz/corpus/$*)

# ---- fuzzing ----

# What is found goes to build/fuzz/tests/fuzz/T/; what is worth keeping, to tests/fuzz/corpus/T/ by hand.
fuzz:
	$(if $(filter $(T),$(fuzz_names)),,$(error T=$(T) is none of: $(fuzz_names)))
ifneq ($(MODE),fuzz)
	@$(MAKE) --no-print-directory MODE=fuzz fuzz T=$(T) SECONDS=$(SECONDS)
else
	@$(MAKE) --no-print-directory MODE=fuzz $(B)/tests/fuzz/fuzz_$(T)
	@mkdir -p $(T_DIR)/fuzz/$(T)
	$(B)/tests/fuzz/fuzz_$(T) -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix=$(T_DIR)/fuzz/$(T)/ $(T_DIR)/fuzz/$(T) $(wildcard tests/fuzz/corpus/$(T))
endif

# ---- style ----

c_files = $(shell git ls-files -co --exclude-standard -- '*.c' '*.h')
shell_files = $(shell git ls-files -co --exclude-standard | xargs grep -lsE '^\#!/bin/(ba)?sh')

# each part runs, whatever the one before it said
lint:
	@$(MAKE) --no-print-directory -k -j1 $(lint_parts)

tidy:
	tests/tidy $(if $(V),-v)

lint-format:
	@echo '  clang-format'; clang-format --dry-run -Werror $(c_files)

lint-cppcheck:
	@echo '  cppcheck'; cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
		--inline-suppr --suppressions-list=tests/cppcheck.supp -D_GNU_SOURCE -I. -Idriver -Iclient \
		$(filter base/% driver/% proto/% daemon/% client/%,$(filter %.c,$(c_files)))

lint-shell:
	@echo '  shellcheck'; shellcheck $(shell_files)

lint-clang:
	@$(MAKE) --no-print-directory CC=clang B=build/clang all

fmt:
	clang-format -i $(c_files)
