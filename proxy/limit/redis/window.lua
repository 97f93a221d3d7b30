-- Sliding windows as counts by slot number, and the width of a slot; see proxy/limit/window.go.
local t = redis.call('TIME')
local now = (t[1] - 1767225600) * 1000000 + t[2]

local function take(key, cost, force, most, width, slots)
  local slot = math.floor(now / width)
  local counts, used, before, stale = {}, 0, nil, {}
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if all[i] == 'width' then before = tonumber(all[i + 1]) end
  end
  for i = 1, #all, 2 do
    local n, count = tonumber(all[i]), tonumber(all[i + 1])
    if n and before ~= width then
      -- An edit changed the period: what was counted counts as of now.
      counts[slot] = (counts[slot] or 0) + count
      used = used + count
    elseif n and n >= slot - slots then
      counts[n] = count
      used = used + count
    elseif n then
      stale[#stale + 1] = all[i]
    end
  end
  local function wait(much)
    if much <= 0 then return 0 end
    for n = slot - slots, slot do
      much = much - (counts[n] or 0)
      if much <= 0 then return math.ceil((n + slots + 1) * width - now) end
    end
    return -1
  end
  if not force and used + cost > most then
    return 0, math.max(most - used, 0), cost > most and -1 or wait(used + cost - most), wait(used)
  end
  if force and cost > 0 then
    cost = math.max(math.min(cost, 2 * most - used), 0)
  end
  if before and before ~= width then
    redis.call('DEL', key)
    redis.call('HSET', key, 'width', width, string.format('%d', slot), used)
  elseif #stale > 0 then
    redis.call('HDEL', key, unpack(stale))
  end
  if not before then redis.call('HSET', key, 'width', width) end
  -- What is given back was taken a moment ago.
  local n = slot
  while cost < 0 and n >= slot - slots do
    local part = math.min(counts[n] or 0, -cost)
    if part > 0 then
      redis.call('HINCRBY', key, string.format('%d', n), -part)
      counts[n] = counts[n] - part
      used = used - part
      cost = cost + part
    end
    n = n - 1
  end
  if cost > 0 then
    redis.call('HINCRBY', key, string.format('%d', slot), cost)
    counts[slot] = (counts[slot] or 0) + cost
    used = used + cost
  end
  redis.call('PEXPIRE', key, math.ceil(width * (slots + 1) / 1000))
  return 1, math.max(most - used, 0), 0, wait(used)
end

local answer = {}
for i, key in ipairs(KEYS) do
  local n, a = 4 * (i - 1), 5 * (i - 1)
  local allowed, remaining, wait, reset =
    take(key, tonumber(ARGV[a + 1]), ARGV[a + 2] == '1', tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5]))
  answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = allowed, remaining, wait, reset
end
return answer
