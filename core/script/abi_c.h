/* abi.h for C: what it needs around it, and the visibility that lets LuaJIT find the functions. */
#pragma once

#include <stdint.h>

#pragma GCC visibility push(default)
#include "script/abi.h"
#pragma GCC visibility pop
