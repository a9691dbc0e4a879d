-- wrk: writes values of SIZE bytes; METHOD, PREFIX and SIZE come from the environment. Each thread has NAMES
-- names of its own (a thousand; sixteen for large values), which it then replaces.
local threads = 0
function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end
function init(args)
    local size = tonumber(os.getenv("SIZE"))
    method, prefix = os.getenv("METHOD"), os.getenv("PREFIX") .. number .. "-"
    body = string.rep("0123456789abcdef", size / 16)
    headers = { ["Accept"] = "application/vnd.x.borgstore.rest.v1" }
    names = tonumber(os.getenv("NAMES")) or (size > 65536 and 16 or 1000)
    at = 0
end
function request()
    at = at + 1
    return wrk.format(method, prefix .. at % names, headers, body)
end
