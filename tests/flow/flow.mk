# Flow tests: the whole engine in a simulated world. What a flow file looks like is told at the top of flow.lua.
FLOW_BIN := $(BUILD)/tests/flow/runner
FLOW_OBJ := $(BUILD)/obj/tests/flow/runner.o $(BUILD)/obj/tests/flow/net.o
FLOW_FILES := $(wildcard tests/flow/*.flow.lua)
FLOW_ARGS ?=

$(BUILD)/obj/tests/flow/runner.o: CPPFLAGS_ALL += -DFLOW_ROOT='"$(CURDIR)"'

$(FLOW_BIN): $(FLOW_OBJ) $(ALL_OBJ)
	@mkdir -p $(@D)
	$(call say,cc,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

.PHONY: flow
## flow         call flows on the real engine in virtual time (FLOW_ARGS="--only TEXT --trace" for more)
flow: $(FLOW_BIN)
	$(FLOW_BIN) $(FLOW_ARGS) $(FLOW_FILES)
