-- The C side of Viaduct as Lua sees it: the only file that touches FFI. Declarations come from core/script/abi.h,
-- byte for byte; pointers stay in here and in the modules of this folder, scripts never get one.
local ffi = require "ffi"

local abi = {}

-- Called once, by boot, before any other module of this folder is required.
function abi.open(script, declarations)
	ffi.cdef(declarations)
	abi.pointer = script
	abi.script = ffi.cast("vd_script *", script)
	abi.C = ffi.C
	abi.string = ffi.string
	abi.value = ffi.new "vd_value"
	abi.value2 = ffi.new "vd_value"
	abi.uri = ffi.new "vd_uri"
	abi.address = ffi.new "vd_address"
	abi.record = ffi.new "vd_record"
	abi.target = ffi.new "vd_target"
	abi.leg = ffi.new "vd_leg"
	abi.binding = ffi.new "vd_binding"
	abi.registrar = ffi.new "vd_registrar"
	abi.rate = ffi.new "vd_rate"
	abi.authorizer = ffi.new "vd_authorizer"
	abi.proxy = ffi.new "vd_proxy"
	abi.plan = ffi.new "vd_plan"
	abi.contact = ffi.new "vd_contact"
	abi.index = ffi.new "uint32_t[1]"
end

-- Text of a vd_value as a Lua string; nil when it holds none.
function abi.text(value)
	if value.p == nil then
		return nil
	end
	return ffi.string(value.p, value.n)
end

return abi
