/* What `ctl` shows of things there can be a million of: totals that are counted all along, and the
 * first rows. No question of an operator may hold up the loop. */
#pragma once

#include <jansson.h>

#include "run.h"

enum { CTL_ROWS_MAX = 200 };

/* {"totals": {"client": {STATE: n}, "server": {...}}, "transactions": [...], "more": n} */
json_t *ctl_transactions(struct run *run);

/* {"pending": n, "deliveries": [...], "more": n} */
json_t *ctl_queue(struct run *run);

/* Wire text may be no UTF-8: such bytes are shown as '?'. */
json_t *ctl_wire_text(struct span s);
