# Benchmarks, included by tests/tests.mk.
#
#   make bench [QUICK=1] [ONLY=part-of-a-name]     results in build/bench/results.json, a table on the terminal
#
# The daemon and the client library are linked and started where they exist; the program says so where they do not.

comma := ,
bench_objects := $(call objects,$(wildcard tests/bench/*.c))
bench_program := $(B)/tests/bench/bench
bench_client := $(if $(shell grep -l '^int remote_new' $(client_sources) /dev/null),$(B)/libproactor-client.a)
bench_libnbd := $(shell $(PKG_CONFIG) --exists libnbd && $(PKG_CONFIG) --libs libnbd)
bench_libuv := $(shell $(PKG_CONFIG) --exists libuv && $(PKG_CONFIG) --libs libuv)

$(bench_program): $(bench_objects) $(bench_client) $(B)/libproactor.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(if $(bench_client),-Wl$(comma)-u$(comma)remote_new) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call pkg_libs,liburing $(msgpack_package)) $(bench_libnbd) $(bench_libuv)

.PHONY: bench
bench: $(bench_program) $(filter %/proactord,$(programs))
	$(Q)mkdir -p build/bench
	$(Q)$(bench_program) --folder build/bench --results build/bench/results.json --daemon $(B)/proactord \
		$(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))
