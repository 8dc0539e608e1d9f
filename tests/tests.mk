# Unit and Lua tests, all tests, lint, sanitizers, fuzzing: included by the top Makefile, after the others.

# A unit test sees its own layer and those below, nothing else.
base_DEPS := base
sip_DEPS := base sip
net_DEPS := base net
store_DEPS := base store
engine_DEPS := base sip net store engine
script_DEPS := $(LAYERS)
UNIT_SRC := $(wildcard tests/unit/*/*_test.c)
UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
layer_of = $(word 3,$(subst /, ,$(patsubst $(BUILD)/%,%,$(1))))
.SECONDEXPANSION:
$(UNIT_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $$(foreach l,$$($$(call layer_of,$$@)_DEPS),$$($$(l)_OBJ))
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS) -lcmocka

.PHONY: unit
unit: $(UNIT_BIN)

# Each fuzz target with a main that replays its corpus, for any compiler.
FUZZ_NAMES := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
REPLAY_BIN := $(patsubst %,$(BUILD)/fuzz/%_replay,$(FUZZ_NAMES))
$(REPLAY_BIN): $(BUILD)/fuzz/%_replay: $(BUILD)/obj/tests/fuzz/%_fuzz.o $(BUILD)/obj/tests/fuzz/replay.o $(base_OBJ) $(sip_OBJ)
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

.PHONY: test
## test         unit, corpus, Lua, flow and system tests
test: $(BUILD)/viaduct $(UNIT_BIN) $(REPLAY_BIN) $(FLOW_BIN) $(SYSTEM_BIN)
	BUILD=$(BUILD) tests/run

.PHONY: sanitize asan valgrind
## sanitize     the tests under ASan and UBSan, the unit tests under valgrind too
sanitize: asan valgrind

# The groups of tests that run under ASan and UBSan.
SANITIZED ?= unit corpus flow system
asan:
	$(MAKE) BUILD=$(BUILD)/asan OPT="-O1 -g" SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined" \
		sanitized

valgrind: $(UNIT_BIN)
	BUILD=$(BUILD) tests/run --valgrind unit

.PHONY: sanitized
sanitized: $(BUILD)/viaduct $(UNIT_BIN) $(REPLAY_BIN) $(FLOW_BIN) $(SYSTEM_BIN)
	BUILD=$(BUILD) tests/run $(SANITIZED)

FUZZ_BIN := $(patsubst %,$(BUILD)/fuzz/%_fuzz,$(FUZZ_NAMES))
FUZZ_FLAGS := -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
$(FUZZ_BIN): $(BUILD)/fuzz/%_fuzz: tests/fuzz/%_fuzz.c $(wildcard core/base/*.[ch] core/sip/*.[ch])
	@mkdir -p $(@D)
	$(call say,fuzz,$@)
	$(Q)clang -std=c11 $(FUZZ_FLAGS) $(CPPFLAGS_ALL) -o $@ $< $(wildcard core/base/*.c core/sip/*.c) $(PKG_LIBS)

FUZZ_SECONDS ?= 60
.PHONY: fuzz
## fuzz         each parser under libFuzzer for FUZZ_SECONDS (60)
fuzz: $(FUZZ_BIN)
	BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run

.PHONY: lint format
## lint         layers, formats, luacheck, documented paths
lint:
	tests/lint/run

## format       write the formats that lint checks
format:
	clang-format -i $(shell git ls-files '*.[ch]' | grep -v core/script/abi.h)
