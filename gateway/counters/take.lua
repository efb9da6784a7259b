-- Take one unit from every limit, or from none. One call is one atomic step for all gateways; time is the server's.
--
-- KEYS  one counter each
-- ARGV  four numbers per key: requests, window in seconds, burst, strict (1: never more than `requests` in any window;
--       0: a rate with `burst`)
-- Returns {wait, remaining, reset, remaining, reset, ...} in microseconds; wait is 0 when the units were taken.
--
-- Strict: a hash of slice number -> count. Everything in the last 64 slices and the one in progress counts, so any
-- window of the full length is covered. Rate: one number, the theoretical arrival time of GCRA.
-- A server clock that steps back must not ban anybody: counts from the future are moved to now.

local SLICES = 64
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local longest = 0
local counters = {}

for i, key in ipairs(KEYS) do
  local at = (i - 1) * 4
  local requests, window = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]) * 1000000
  local counter = {key = key, requests = requests, strict = ARGV[at + 4] == '1'}
  local wait = 0
  if counter.strict then
    local slice = math.ceil(window / SLICES)
    local current = math.floor(now / slice)
    local entries = redis.call('HGETALL', key)
    local total, oldest = 0, nil
    for j = 1, #entries, 2 do
      local number, count = tonumber(entries[j]), tonumber(entries[j + 1])
      if number > current then
        redis.call('HDEL', key, entries[j])
        redis.call('HINCRBY', key, current, count)
        number = current
      end
      if number < current - SLICES then
        redis.call('HDEL', key, entries[j])
      else
        total = total + count
        if oldest == nil or number < oldest then oldest = number end
      end
    end
    counter.slice, counter.current, counter.total, counter.oldest = slice, current, total, oldest
    counter.expires = math.ceil((window + 2 * slice) / 1000)
    if total >= requests then
      wait = oldest and (oldest + SLICES + 1) * slice - now or window
    end
  elseif requests < 1 then
    wait = window
    counter.barred = window
  else
    local interval = math.ceil(window / requests)
    local tolerance = interval * math.max(1, tonumber(ARGV[at + 3]))
    local arrival = tonumber(redis.call('GET', key) or '0')
    arrival = math.min(math.max(arrival, now), now + tolerance)
    counter.interval, counter.tolerance, counter.arrival = interval, tolerance, arrival
    wait = math.max(0, arrival + interval - tolerance - now)
  end
  longest = math.max(longest, wait)
  counters[i] = counter
end

local reply = {longest}
for _, counter in ipairs(counters) do
  local remaining, reset
  if counter.strict then
    if longest == 0 then
      redis.call('HINCRBY', counter.key, counter.current, 1)
      redis.call('PEXPIRE', counter.key, counter.expires)
      counter.total = counter.total + 1
      counter.oldest = counter.oldest or counter.current
    end
    remaining = math.max(0, counter.requests - counter.total)
    reset = counter.oldest and (counter.oldest + SLICES + 1) * counter.slice - now or 0
  elseif counter.barred then
    remaining, reset = 0, counter.barred
  else
    if longest == 0 then
      counter.arrival = counter.arrival + counter.interval
      local lasts = math.ceil((counter.arrival - now) / 1000)
      redis.call('SET', counter.key, string.format('%.0f', counter.arrival), 'PX', lasts)
    end
    local used = counter.arrival - now
    remaining = math.max(0, math.floor((counter.tolerance - used) / counter.interval))
    reset = used > 0 and used - (counter.tolerance - (remaining + 1) * counter.interval) or 0
  end
  reply[#reply + 1] = remaining
  reply[#reply + 1] = reset
end
return reply
