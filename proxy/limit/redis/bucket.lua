-- Token buckets as the times at which they are full, in microseconds since 2026 so that fractions survive; see proxy/limit/bucket.go.
local t = redis.call('TIME')
local now = (t[1] - 1767225600) * 1000000 + t[2]

local function take(key, cost, force, burst, unit)
  local size = unit * burst
  local full = tonumber(redis.call('GET', key) or now)
  local at = math.min(math.max(full, now), now + 2 * size)
  local next = at + unit * cost
  if force and cost < 0 then
    next = full + unit * cost
  elseif force then
    next = math.min(next, now + 2 * size)
  end
  local used = math.max(at - now, 0)
  -- Sums of fractions are off by less than this.
  if not force and next - now - size > 0.01 then
    local wait = cost > burst and -1 or math.ceil(next - now - size)
    return 0, math.max(math.floor((size - used) / unit + 0.000001), 0), wait, math.ceil(used)
  end
  if next <= now then
    redis.call('DEL', key)
    return 1, burst, 0, 0
  end
  redis.call('SET', key, string.format('%.3f', next), 'PX', math.ceil((next - now) / 1000))
  return 1, math.max(math.floor((size - (next - now)) / unit + 0.000001), 0), 0, math.ceil(next - now)
end

local answer = {}
for i, key in ipairs(KEYS) do
  local n = 4 * (i - 1)
  local allowed, remaining, wait, reset =
    take(key, tonumber(ARGV[n + 1]), ARGV[n + 2] == '1', tonumber(ARGV[n + 3]), tonumber(ARGV[n + 4]))
  answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = allowed, remaining, wait, reset
end
return answer
