-- The requests of `tests.bench.http_load`: one for each line of a file, in turn.
local requests = {}
local sent = 0
local threads = {}
exhausted = false

function setup(thread)
   table.insert(threads, thread)
end

function init()
   local method, path = os.getenv("BENCH_METHOD"), os.getenv("BENCH_PATH")
   local keys = os.getenv("BENCH_KEYS")
   for line in io.lines(os.getenv("BENCH_BODIES")) do
      local headers = { ["Content-Type"] = "application/json", ["Authorization"] = os.getenv("BENCH_AUTHORIZATION") }
      if keys ~= "" then
         headers["Idempotency-Key"] = '"' .. keys .. #requests .. '"'
      end
      requests[#requests + 1] = wrk.format(method, path, headers, line ~= "" and line or nil)
   end
end

function request()
   exhausted = exhausted or (sent >= #requests and os.getenv("BENCH_ONCE") ~= "")
   local found = requests[sent % #requests + 1]
   sent = sent + 1
   return found
end

function done()
   for _, thread in ipairs(threads) do
      if thread:get("exhausted") then
         io.write("ran out of bodies\n")
      end
   end
end
