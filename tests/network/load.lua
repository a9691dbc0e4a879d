-- wrk: counts the answers by status and prints them at the end, "status 200: 1234"; one of 503 without
-- Retry-After is told apart. With PUT it sends what that script sends.
if os.getenv("PUT") then
    dofile(os.getenv("PUT"))
end
local threads, number = {}, setup
seen = {}
function setup(thread)
    if number then
        number(thread)
    end
    table.insert(threads, thread)
end
function response(status, headers)
    local what = tostring(status)
    if status == 503 and not headers["Retry-After"] then
        what = "503 without Retry-After"
    end
    seen[what] = (seen[what] or 0) + 1
end
function done()
    for _, thread in ipairs(threads) do
        for what, count in pairs(thread:get("seen")) do
            print("status " .. what .. ": " .. count)
        end
    end
end
