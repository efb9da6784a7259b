-- Take units from every limit, or from none. One call is one atomic step for all gateways; time is the server's.
--
-- KEYS  one counter for each limit, which for a quota the other counters of its pool follow
-- ARGV  calls to take for, microseconds for which those beyond the first are leased, and then seven numbers per limit: requests, window in seconds, burst, kind (1: never more than `requests` in any window;
--       0: a rate with `burst`; 2: a quota), units to take, milliseconds left of a quota's period, keys of the limit
-- Returns {wait, calls, remaining, reset, mark, ...} in microseconds; wait is 0 when the units were taken, for so many
-- calls. Leased units count as used at the lease's end, the latest that they can be; `mark` is where back.lua finds them.
-- A lease takes a sixteenth of what is left at most, so that what is scarce is counted call by call.
--
-- Strict: a hash of slice number -> "count last-instant". A slice counts whole until a window has passed since its last
-- instant, so any window of the full length is covered. Rate: one number, the theoretical arrival time of GCRA.
-- Quota: a number, in a key that bears its period; all of a pool are held to `requests` together. When a period ends is
-- the gateway's to say, which knows the calendar. It is kept a while longer: a gateway's clock may be set back into it.
-- A server clock that steps back must not ban anybody: counts from further ahead than a lease are moved to now.

local SLICES = 64
local KEPT = 2 * 3600 * 1000
local SHARE = 16
local LONGEST = 1000000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local longest = 0
local counters = {}
local calls, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local at, nth = 2, 1

while at < #ARGV do
  local key = KEYS[nth]
  local requests, window = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]) * 1000000
  local units, keys = tonumber(ARGV[at + 5]), tonumber(ARGV[at + 7])
  local counter = {key = key, requests = requests, units = units, strict = ARGV[at + 4] == '1'}
  local wait = 0
  if ARGV[at + 4] == '2' then
    counter.left = tonumber(ARGV[at + 6])
    counter.used = tonumber(redis.call('GET', key) or '0')
    for other = nth + 1, nth + keys - 1 do
      counter.used = counter.used + tonumber(redis.call('GET', KEYS[other]) or '0')
    end
    if counter.used + units > requests then wait = counter.left * 1000 end
    counter.room = requests - counter.used
  elseif counter.strict then
    local slice = math.ceil(window / SLICES)
    local current = math.floor(now / slice)
    local entries = redis.call('HGETALL', key)
    local total, oldest, counted, latest, held = 0, nil, 0, 0, {}
    for j = 1, #entries, 2 do
      local count, last = string.match(entries[j + 1], '^(%d+) (%d+)$')
      count, last = tonumber(count), tonumber(last)
      if last and last > now + LONGEST then
        last = now
        redis.call('HSET', key, entries[j], string.format('%d %.0f', count, now))
      end
      if not last or last <= now - window then
        redis.call('HDEL', key, entries[j])
      else
        total = total + count
        oldest = math.min(oldest or last, last)
        held[#held + 1] = {last, count}
        if tonumber(entries[j]) == current then counted, latest = count, last end
      end
    end
    counter.window, counter.current, counter.counted = window, current, counted
    counter.total, counter.oldest, counter.latest, counter.room = total, oldest, latest, requests - total
    local over = total + units - requests
    if over > 0 then
      wait = window
      table.sort(held, function(one, other) return one[1] < other[1] end)
      for _, slice in ipairs(held) do
        over = over - slice[2]
        if over <= 0 then
          wait = slice[1] + window - now
          break
        end
      end
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
    wait = math.max(0, arrival + units * interval - tolerance - now)
    if units * interval > tolerance then wait = window end
    counter.room = math.floor((now + tolerance - math.max(arrival, now + lease)) / interval)
  end
  longest = math.max(longest, wait)
  counters[#counters + 1] = counter
  at, nth = at + 7, nth + keys
end

for _, counter in ipairs(counters) do
  if calls > 1 then calls = math.min(calls, math.floor(counter.room / (SHARE * counter.units))) end
end
if calls <= 1 then calls, lease = 1, 0 end

local reply = {longest, longest == 0 and calls or 0}
for _, counter in ipairs(counters) do
  local remaining, reset
  local units = counter.units * calls
  if counter.left then
    if longest == 0 then
      counter.used = counter.used + units
      redis.call('INCRBY', counter.key, units)
      redis.call('PEXPIRE', counter.key, counter.left + KEPT)
    end
    remaining, reset = math.max(0, counter.requests - counter.used), counter.left * 1000
  elseif counter.strict then
    if longest == 0 then
      local latest = math.max(counter.latest, now + lease)
      redis.call('HSET', counter.key, counter.current, string.format('%d %.0f', counter.counted + units, latest))
      redis.call('PEXPIRE', counter.key, math.ceil((counter.window + LONGEST) / 1000) + 1)
      counter.total = counter.total + units
      counter.oldest = counter.oldest or now
    end
    remaining = math.max(0, counter.requests - counter.total)
    reset = counter.oldest and counter.oldest + counter.window - now or 0
  elseif counter.barred then
    remaining, reset = 0, counter.barred
  else
    if longest == 0 then
      counter.arrival = math.max(counter.arrival, now + lease) + units * counter.interval
      local lasts = math.ceil((counter.arrival - now) / 1000)
      redis.call('SET', counter.key, string.format('%.0f', counter.arrival), 'PX', lasts)
    end
    local used = counter.arrival - now
    remaining = math.max(0, math.floor((counter.tolerance - used) / counter.interval))
    reset = used > 0 and used - (counter.tolerance - (remaining + 1) * counter.interval) or 0
  end
  reply[#reply + 1] = remaining
  reply[#reply + 1] = reset
  reply[#reply + 1] = counter.current or 0
end
return reply
