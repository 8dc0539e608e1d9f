-- What native.cfg does, in Lua: Max-Forwards, loose routing, Record-Route, forward.
-- luacheck: globals KSR ksr_request_route
function ksr_request_route()
    if KSR.maxfwd.process_maxfwd(70) < 0 then
        return 1
    end
    if KSR.siputils.has_totag() > 0 then
        KSR.rr.loose_route()
    else
        KSR.rr.record_route()
    end
    KSR.forward()
    return 1
end
