# Viaduct. `make help` lists the targets.
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LUADIR ?= $(PREFIX)/share/lua/5.1
BUILD  ?= build
VERSION := 0.1.0

CC     ?= gcc
PKGS   := luajit libcares jansson
OPT    ?= -O2 -g
SANITIZE ?=
WARN   := -Wall -Wextra -Wshadow -Werror
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(OPT) $(WARN) $(SANITIZE) -fvisibility=hidden \
	-fno-strict-aliasing -Icore $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LDLIBS := $(shell pkg-config --libs $(PKGS)) -lev -lm -lpthread
LDFLAGS_ALL = $(SANITIZE) -Wl,-E $(LDFLAGS)

LAYERS := base sip net store engine script
$(foreach l,$(LAYERS),$(eval $(l)_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard core/$(l)/*.c))))
TOP_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard core/*.c))
ALL_OBJ := $(foreach l,$(LAYERS),$($(l)_OBJ))

.PHONY: all help
all: $(BUILD)/viaduct

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

$(BUILD)/viaduct: $(TOP_OBJ) $(ALL_OBJ)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/obj/core/script/vm.o: core/script/abi.h

# A unit test sees its own layer and those below, nothing else.
base_DEPS := base
sip_DEPS := base sip
net_DEPS := base net
store_DEPS := base store
engine_DEPS := base sip net store engine
script_DEPS := $(LAYERS)
UNIT_SRC := $(wildcard tests/unit/*/*_test.c)
UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
.SECONDEXPANSION:
layer_of = $(word 3,$(subst /, ,$(patsubst $(BUILD)/%,%,$(1))))
$(UNIT_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $$(foreach l,$$($$(call layer_of,$$@)_DEPS),$$($$(l)_OBJ))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS) -lcmocka
.PHONY: unit
unit: $(UNIT_BIN)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
include tests/bench/bench.mk
include tests/system/system.mk
