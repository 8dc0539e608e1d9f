# Tests on real sockets and the demonstration: included by the top Makefile.
SYSTEM_BIN := $(addprefix $(BUILD)/system/,ask flip loopback_only lossy)

$(SYSTEM_BIN): $(BUILD)/system/%: tests/system/%.c
	@mkdir -p $(@D)
	$(call say,cc,$@)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 -g $(WARN) -o $@ $<

.PHONY: system demo
## system       calls, reloads and garbage over real sockets (SYSTEM=name_test for one)
system: $(SYSTEM_BIN) $(BUILD)/viaduct
	BUILD=$(BUILD) tests/system/run $(SYSTEM)

## demo         one call through the engine, drawn as a ladder
demo: $(SYSTEM_BIN) $(BUILD)/viaduct
	@BUILD=$(BUILD) tests/system/demo.sh
