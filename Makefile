# Viaduct. `make help` lists the targets.
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LUADIR ?= $(PREFIX)/share/lua/5.1
BUILD  ?= build
VERSION := 0.1.0

OPT      ?= -O3 -g
SANITIZE ?=
PKGS     := luajit libcares jansson libcrypto
# Asked when first needed, not when this file is read: `make deps run` installs them in between.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)
WARN     := -Wall -Wextra -Wshadow -Werror
CPPFLAGS_ALL = -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Icore $(PKG_CFLAGS)
CFLAGS_ALL = -std=c11 $(OPT) $(WARN) $(SANITIZE) -fvisibility=hidden -fno-strict-aliasing $(CPPFLAGS_ALL) $(CFLAGS)
LDLIBS   = $(PKG_LIBS) -lev -lm -lpthread
LDFLAGS_ALL = $(SANITIZE) -Wl,-E $(LDFLAGS)

# The layers, lowest first; a layer may include those to its left that `make lint` allows it.
LAYERS := base sip net store engine script
$(foreach l,$(LAYERS),$(eval $(l)_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard core/$(l)/*.c))))
TOP_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard core/*.c))
ALL_OBJ := $(foreach l,$(LAYERS),$($(l)_OBJ))

.PHONY: all help deps run
## all          build/viaduct
all: $(BUILD)/viaduct

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

BUILD_PACKAGES := gcc make pkg-config libluajit-5.1-dev libev-dev libc-ares-dev libjansson-dev libssl-dev
TEST_PACKAGES := libcmocka-dev luajit lua-busted lua-check luarocks clang clang-format libclang-rt-14-dev valgrind sip-tester \
	libnet-sip-perl procps knot
## deps         install what is needed to build and test, from Debian's packages
deps:
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(BUILD_PACKAGES) $(TEST_PACKAGES)

## run          start the engine with scripts/proxy.lua (ARGS="-l udp:127.0.0.1:5062 my.lua" for more)
run: $(BUILD)/viaduct
	$(BUILD)/viaduct run $(ARGS)

# `make V=1` shows the commands.
Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

$(BUILD)/viaduct: $(TOP_OBJ) $(ALL_OBJ)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,cc,$<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The ABI is compiled in as text, which no compiler notices.
$(BUILD)/obj/core/script/vm.o: core/script/abi.h

.PHONY: install uninstall clean
## install      binary to BINDIR, Lua library and scripts to LUADIR/viaduct (DESTDIR is honoured)
install: $(BUILD)/viaduct
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LUADIR)/viaduct/scripts
	install -m 755 $(BUILD)/viaduct $(DESTDIR)$(BINDIR)/viaduct
	install -m 644 lua/viaduct/*.lua $(DESTDIR)$(LUADIR)/viaduct
	install -m 644 scripts/*.lua $(DESTDIR)$(LUADIR)/viaduct/scripts

## uninstall    remove what install put there
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/viaduct
	rm -rf $(DESTDIR)$(LUADIR)/viaduct

## clean        remove build/
clean:
	rm -rf $(BUILD)

include tests/bench/bench.mk
include tests/flow/flow.mk
include tests/system/system.mk
include tests/tests.mk

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
