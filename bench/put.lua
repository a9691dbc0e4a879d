-- wrk: writes values of SIZE bytes; METHOD, PREFIX and SIZE come from the environment. Each thread has
-- names of its own, a thousand of them, which it then replaces.
local threads = 0
function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end
function init(args)
    local body = string.rep("0123456789abcdef", tonumber(os.getenv("SIZE")) / 16)
    local headers = { ["Accept"] = "application/vnd.x.borgstore.rest.v1" }
    requests = {}
    count = tonumber(os.getenv("SIZE")) > 65536 and 16 or 1000
    for i = 1, count do
        requests[i] = wrk.format(os.getenv("METHOD"), os.getenv("PREFIX") .. number .. "-" .. i, headers, body)
    end
    at = 0
end
function request()
    at = at % count + 1
    return requests[at]
end
