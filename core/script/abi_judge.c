/* Legs that decide by a function of the script which addresses they reach, for Lua (abi.h). Asked
 * between the look-up of a target and its use, in a task of its own that may not wait. */
#include <stdlib.h>

#include "base/check.h"
#include "script/task.h"

static bool decide(void *self, struct locate_target *targets, uint32_t n)
{
	struct vd_script *script = self;
	script->judged = targets;
	script->n_judged = n;
	bool decided = task_judge(script);
	script->judged = NULL;
	script->n_judged = 0;
	return decided;
}

int vd_judge_use(struct vd_script *script)
{
	script->routing.judge = (struct judge){.self = script, .decide = decide};
	script->has_routing = true;
	return VD_OK;
}

int vd_judge_target(
	struct vd_script *script, uint32_t index, const char *spec, uint32_t n, vd_target *out)
{
	const struct leg *leg = legs_by_spec(script->engine, span_of(spec, n));
	if (index >= script->n_judged)
		return VD_ABSENT;
	const struct locate_target *target = &script->judged[index];
	if (!leg || !legs_towards_among(script->engine, target, (uint64_t)1 << leg->index))
		return VD_REFUSED;
	free(script->scratch);
	script->scratch = must_alloc(ADDR_TEXT_MAX);
	*out = (vd_target){
		.addr = {.p = script->scratch, .n = addr_print_ip(&target->addr, script->scratch)},
		.transport = (int)target->transport,
		.port = addr_port(&target->addr),
	};
	return VD_OK;
}

int vd_judge_says(
	struct vd_script *script, uint32_t index, const char *spec, uint32_t n, int reaches)
{
	const struct leg *leg = legs_by_spec(script->engine, span_of(spec, n));
	if (index >= script->n_judged || !leg)
		return VD_ABSENT;
	struct locate_target *target = &script->judged[index];
	*(reaches ? &target->named : &target->barred) |= (uint64_t)1 << leg->index;
	return VD_OK;
}
