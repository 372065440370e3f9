# Benchmarks, included by tests/tests.mk.
#
#   make bench [QUICK=1] [ONLY=part-of-a-name]     a table on the terminal; build/bench/results.json and report.html
#   make bench-tables                              the tables of docs/PERFORMANCE.md, from those results
#
# Peers that are not installed have rows that say so.

comma := ,
bench_objects := $(call objects,$(wildcard tests/bench/*.c))
bench_program := $(B)/tests/bench/bench
bench_preload := $(B)/tests/bench/preload/allocations.so
bench_libnbd := $(shell $(PKG_CONFIG) --exists libnbd && $(PKG_CONFIG) --libs libnbd)
bench_libuv := $(shell $(PKG_CONFIG) --exists libuv && $(PKG_CONFIG) --libs libuv)

$(bench_program): $(bench_objects) $(B)/libproactor-client.a $(B)/libproactor.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl$(comma)-u$(comma)remote_new \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call pkg_libs,liburing $(msgpack_package)) $(bench_libnbd) $(bench_libuv)

# it stands in for what sanitizers stand in for, too: without them
$(bench_preload): tests/bench/preload/allocations.c $(flags_stamp)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -O2 -g -fPIC -shared -o $@ $<

.PHONY: bench bench-tables
bench: $(bench_program) $(bench_preload) $(B)/proactord $(B)/proactl
	$(Q)mkdir -p build/bench
	$(Q)$(bench_program) --folder build/bench --results build/bench/results.json --build $(B) \
		$(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)); status=$$?; \
	$(PYTHON) -B tests/bench/report.py --html build/bench/report.html build/bench/results.json && exit $$status

bench-tables:
	$(Q)$(PYTHON) -B tests/bench/report.py --fill docs/PERFORMANCE.md build/bench/results.json
