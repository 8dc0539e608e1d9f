# What measures Viaduct: included by the top Makefile.
BENCH_BIN := $(BUILD)/bench/load $(BUILD)/bench/bare
BENCH_HEADERS := $(wildcard tests/bench/*.h)

$(BUILD)/bench/load: $(addprefix tests/bench/,load.c message.c measure.c loopback.c) $(BENCH_HEADERS)
$(BUILD)/bench/bare: $(addprefix tests/bench/,bare.c loopback.c) $(BENCH_HEADERS)
$(BENCH_BIN):
	@mkdir -p $(@D)
	$(call say,cc,$@)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 -g $(WARN) -o $@ $(filter %.c,$^)

# Reads messages with the engine's own objects.
$(BUILD)/bench/parse: $(BUILD)/obj/tests/bench/parse.o $(base_OBJ) $(sip_OBJ)
	@mkdir -p $(@D)
	$(call say,ld,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

# Arms the engine's own timers.
$(BUILD)/bench/timers: $(addprefix tests/bench/,timers.c measure.c) $(base_OBJ) $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(call say,cc,$@)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 -g $(WARN) -Icore -o $@ $(filter %.c %.o,$^) $(LDLIBS)

.PHONY: bench bench-instr bench-parse
## bench        CPU per SIP message and memory per call beside a bare forwarder and Kamailio; hidden contacts; timers (BENCH=--quick)
bench: $(BENCH_BIN) $(BUILD)/bench/timers $(BUILD)/tests/unit/sip/contact_token_test $(BUILD)/viaduct
	BUILD=$(BUILD) tests/bench/run $(BENCH)
	$(BUILD)/tests/unit/sip/contact_token_test 2>&1 | grep ' ns '
	BUILD=$(BUILD) tests/bench/memory
	$(BUILD)/bench/timers

## bench-instr  user-space instructions per message, by callgrind
bench-instr: $(BENCH_BIN) $(BUILD)/viaduct
	BUILD=$(BUILD) tests/bench/instr viaduct invite invite+200
	BUILD=$(BUILD) tests/bench/instr viaduct-contacts invite invite+200
	BUILD=$(BUILD) tests/bench/instr viaduct-router call

## bench-parse  instructions to read one message, step by step, by callgrind
bench-parse: $(BUILD)/bench/parse
	BUILD=$(BUILD) tests/bench/parse-instr
