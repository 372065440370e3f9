# End-to-end tests: real daemons, and clients in Python that know nothing of ours. Included by tests/tests.mk.
#
#   make e2e                          all of them, against build/$(MODE)
#   make run-e2e-stock CASE=ping      those of test_stock.py with "ping" in the name; V=1 shows each and its time
#
# Debian's python3 and python3-msgpack are needed, and nothing else. WRAP= does not reach these: valgrind does not see what
# the kernel writes through a ring, and takes all that a client sent for uninitialised.

PYTHON ?= /usr/bin/python3
CHECK_EXTRA += e2e

e2e_suites := $(patsubst tests/e2e/test_%.py,%,$(wildcard tests/e2e/test_*.py))
e2e_scripts := $(patsubst tests/e2e/test_%.sh,%,$(wildcard tests/e2e/test_*.sh))
e2e_programs := $(patsubst %.c,$(B)/%,$(wildcard tests/e2e/*.c))
e2e_environment = $(if $(CASE),CK_RUN_CASE=$(CASE)) $(if $(V),V=1)

$(e2e_programs): %: %.o $(B)/libproactor-client.a $(B)/libproactor.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,-u,remote_new -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call pkg_libs,liburing $(msgpack_package))

# also run with daemons of several threads: what they tell and how they end is to be the same
E2E_THREADED := crowd limits life multishot pool pressure regions ring ring_hostile ring_shots stock systemd
e2e_threaded := $(addsuffix -threaded,$(E2E_THREADED))

.PHONY: e2e $(addprefix run-e2e-,$(e2e_suites) $(e2e_scripts) $(e2e_threaded))
e2e: $(addprefix run-e2e-,$(e2e_suites) $(e2e_scripts) $(e2e_threaded))

$(addprefix run-e2e-,$(e2e_threaded)): run-e2e-%-threaded: $(B)/proactord
	@tests/run $(RESULTS) e2e-$*-threaded env $(e2e_environment) E2E_OPTIONS="--threads 4" \
		$(PYTHON) -B tests/e2e/test_$*.py $(B)

$(addprefix run-e2e-,$(e2e_suites)): run-e2e-%: $(B)/proactord $(B)/proactl $(e2e_programs)
	@tests/run $(RESULTS) e2e-$* env $(e2e_environment) $(PYTHON) -B tests/e2e/test_$*.py $(B)

$(addprefix run-e2e-,$(e2e_scripts)): run-e2e-%: $(B)/proactord $(B)/proactl
	@tests/run $(RESULTS) e2e-$* env $(e2e_environment) tests/e2e/test_$*.sh $(B)
