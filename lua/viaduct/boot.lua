-- Run once in a new Lua state by core/script/vm.c; gives back the function that every task runs.
local pointer, declarations, path, settings, jit_off = ...

require("viaduct.abi").open(pointer, declarations)
local abi = require "viaduct.abi"
math.randomseed(abi.C.vd_random(abi.script) * 2 ^ 53)
require("viaduct.loader").jit_off = jit_off
require("viaduct.settings").set(settings)
-- All of the library is loaded here, so that no script finds a part of it missing later.
require "viaduct"

return require("viaduct.dispatch")(path)
