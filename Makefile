# proactord: one non-recursive Makefile. `make help` lists the targets.
#
#   MODE = release | debug | asan | tsan | valgrind | cov | fuzz      objects and programs go to build/$(MODE)
#   V=1                                                               shows the commands

# to run under valgrind takes a build for it (tests/waits.c)
MODE ?= $(if $(filter valgrind,$(WRAP)),valgrind,release)
VERSION := 0.1.0
SOVERSION := 0

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
UNITDIR ?= $(PREFIX)/lib/systemd/system

B := build/$(MODE)
Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)	$(2)")

# ---- compiler and flags ----

PKG_CONFIG ?= pkg-config
msgpack_package := $(shell $(PKG_CONFIG) --exists msgpack-c && echo msgpack-c || echo msgpack)
pkg_cflags = $(shell $(PKG_CONFIG) --cflags $(1))
pkg_libs = $(shell $(PKG_CONFIG) --libs $(1))

WARNINGS := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wvla -Wwrite-strings -Wundef \
	-Wpointer-arith -Wformat=2 -Wimplicit-fallthrough
MODE_FLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
MODE_FLAGS_debug := -O0
MODE_FLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# it does not follow fences: ours are between processes, where it does not look
MODE_FLAGS_tsan := -O1 -fsanitize=thread -Wno-tsan
MODE_FLAGS_valgrind := -O1 -DDRIVER_CALLS_LIBRARIES
MODE_FLAGS_cov := -O0 --coverage
MODE_FLAGS_fuzz := -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
MODE_FLAGS := $(MODE_FLAGS_$(MODE))
ifeq ($(MODE_FLAGS),)
$(error MODE=$(MODE) is not one of release debug asan tsan valgrind cov fuzz)
endif
ifeq ($(MODE),fuzz)
CC := clang
endif

CFLAGS ?= -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DVERSION='"$(VERSION)"' -I. -Idriver -Iclient -fPIC -fno-plt \
	-fno-common $(WARNINGS) $(MODE_FLAGS) $(CFLAGS)
ALL_LDFLAGS = $(MODE_FLAGS) -Wl,-z,relro,-z,now $(LDFLAGS)

# ---- what is made of what ----

base_sources := $(wildcard base/*.c)
driver_sources := $(wildcard driver/*.c)
proto_sources := $(wildcard proto/*.c)
client_sources := $(wildcard client/*.c)
cli_sources := $(wildcard client/cli/*.c)
daemon_sources := $(wildcard daemon/*.c)
objects = $(patsubst %.c,$(B)/%.o,$(1))

libproactor := $(B)/libproactor.a $(B)/libproactor.so.$(SOVERSION)
libclient := $(if $(client_sources),$(B)/libproactor-client.a $(B)/libproactor-client.so.$(SOVERSION))
programs := $(if $(daemon_sources),$(B)/proactord) $(if $(cli_sources),$(B)/proactl)

.PHONY: all
all: $(libproactor) $(libclient) $(programs)

$(B)/libproactor.a: $(call objects,$(base_sources) $(driver_sources))
$(B)/libproactor-client.a: $(call objects,$(proto_sources) $(client_sources))
$(B)/libproactord.a: $(call objects,$(proto_sources) $(filter-out daemon/main.c,$(daemon_sources)))

$(B)/libproactor.so.$(SOVERSION): driver/libproactor.map $(call objects,$(base_sources) $(driver_sources))
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,$(@F),--version-script,driver/libproactor.map,-z,defs -o $@ \
		$(filter %.o,$^) $(call pkg_libs,liburing)
	$(Q)ln -sf $(@F) $(basename $@)

$(B)/libproactor-client.so.$(SOVERSION): client/libproactor-client.map $(B)/libproactor.so.$(SOVERSION) \
		$(call objects,$(base_sources) $(proto_sources) $(client_sources))
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,$(@F),--version-script,client/libproactor-client.map,-z,defs -o $@ \
		$(filter %.o,$^) -L$(B) -l:libproactor.so.$(SOVERSION) $(call pkg_libs,$(msgpack_package))
	$(Q)ln -sf $(@F) $(basename $@)

$(B)/proactord: $(B)/daemon/main.o $(B)/libproactord.a $(B)/libproactor.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,liburing $(msgpack_package))

$(B)/proactl: $(call objects,$(cli_sources)) $(B)/libproactor-client.a $(B)/libproactor.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,-u,remote_new -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call pkg_libs,liburing $(msgpack_package) jansson smartcols)

$(B)/%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Objects are made again when the flags change, not only when a source does.
flags_stamp := $(B)/flags
flags_text := $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)
ifneq ($(file <$(flags_stamp)),$(flags_text))
$(shell mkdir -p $(B))
$(file >$(flags_stamp),$(flags_text))
endif

$(B)/%.o: %.c $(flags_stamp)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d -c -o $@ $<

-include $(shell find $(B) -name '*.o.d' 2>/dev/null)

# ---- examples and the demonstration ----

.PHONY: examples demo
examples := $(patsubst docs/examples/%.c,$(B)/examples/%,$(wildcard docs/examples/*.c))
examples: $(examples)

# as a user builds them: with the public header and the libraries
$(B)/examples/%: docs/examples/%.c $(B)/libproactor-client.a $(B)/libproactor.a $(flags_stamp)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) $(MODE_FLAGS) -g -Idriver $< -o $@ -Wl,-u,remote_new -Wl,--start-group \
		$(filter %.a,$^) -Wl,--end-group $(call pkg_libs,liburing $(msgpack_package))

demo: all
	@docs/demo $(B)

# ---- tests, benchmarks, style ----

include tests/tests.mk

# ---- everything else ----

.PHONY: install uninstall clean help fmt
headers := driver/proactor.h client/proactor-client.h
units := $(wildcard systemd/*.service systemd/*.socket)

# anew each time: where to is not among the flags
.PHONY: pc
$(B)/%.pc: %.pc.in pc
	@mkdir -p $(@D)
	$(Q)sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|; s|@MSGPACK@|$(msgpack_package)|' \
		$< > $@

install: all $(B)/driver/libproactor.pc $(B)/client/libproactor-client.pc
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(UNITDIR)
	install -m 755 $(B)/proactord $(DESTDIR)$(SBINDIR)
	install -m 755 $(B)/proactl $(DESTDIR)$(BINDIR)
	install -m 644 $(B)/libproactor.a $(B)/libproactor-client.a $(DESTDIR)$(LIBDIR)
	for l in libproactor libproactor-client; do \
		install -m 755 $(B)/$$l.so.$(SOVERSION) $(DESTDIR)$(LIBDIR) && \
		ln -sf $$l.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/$$l.so || exit; done
	install -m 644 $(headers) $(DESTDIR)$(INCLUDEDIR)
	install -m 644 $(filter %.pc,$^) $(DESTDIR)$(LIBDIR)/pkgconfig
	install -d $(DESTDIR)$(PREFIX)/lib/sysusers.d
	install -m 644 systemd/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/proactord.conf
	for u in $(units); do \
		sed 's|/usr/sbin/|$(SBINDIR)/|' $$u > $(DESTDIR)$(UNITDIR)/$$(basename $$u) || exit; done

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/proactord $(DESTDIR)$(BINDIR)/proactl $(DESTDIR)$(PREFIX)/lib/sysusers.d/proactord.conf
	rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/,$(notdir $(headers))) $(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(units)))
	for l in libproactor libproactor-client; do \
		rm -f $(DESTDIR)$(LIBDIR)/$$l.a $(DESTDIR)$(LIBDIR)/$$l.so $(DESTDIR)$(LIBDIR)/$$l.so.$(SOVERSION) \
			$(DESTDIR)$(LIBDIR)/pkgconfig/$$l.pc; done

clean:
	rm -rf build

help:
	@echo 'make                 the libraries, the daemon and the command line   [MODE=release|debug|asan|tsan|valgrind|cov]'
	@echo 'make demo            shows the daemon doing its job on real files and sockets, in under a minute'
	@echo 'make check           all tests                                  [SUITE=name CASE=name MODE=]'
	@echo 'make conformance     what every driver must do, on each of them'
	@echo 'make bench           measures against hand-written code and peers; build/bench/report.html   [QUICK=1 ONLY=name]'
	@echo 'make bench-tables    puts what it has measured into docs/PERFORMANCE.md'
	@echo 'make fuzz T=name     fuzzes                                     [SECONDS=60]'
	@echo 'make lint            style, doors between the folders, static analysis'
	@echo 'make fmt             formats every source'
	@echo 'make install         PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); and uninstall'
