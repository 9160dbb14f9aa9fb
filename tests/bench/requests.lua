-- The requests of `tests.bench.http_load`: one for each line of a file, in turn.
local requests = {}
local at = 0

function init()
   local headers = { ["Content-Type"] = "application/json", ["Authorization"] = os.getenv("BENCH_AUTHORIZATION") }
   local method, path = os.getenv("BENCH_METHOD"), os.getenv("BENCH_PATH")
   for line in io.lines(os.getenv("BENCH_BODIES")) do
      requests[#requests + 1] = wrk.format(method, path, headers, line ~= "" and line or nil)
   end
end

function request()
   at = at % #requests + 1
   return requests[at]
end
