-- What tm-native.cfg does, in Lua: Max-Forwards, loose routing, Record-Route, t_relay.
-- luacheck: globals KSR ksr_request_route
function ksr_request_route()
    if KSR.maxfwd.process_maxfwd(70) < 0 then
        return 1
    end
    if KSR.siputils.has_totag() > 0 then
        KSR.rr.loose_route()
        KSR.tm.t_relay()
        return 1
    end
    KSR.tm.t_check_trans()
    KSR.rr.record_route()
    KSR.tm.t_relay()
    return 1
end
