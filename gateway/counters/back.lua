-- Give back units that were leased and that nobody used. What is gone meanwhile needs nothing back.
--
-- KEYS  one counter per limit
-- ARGV  per limit: kind (as in take.lua), units, requests, window in seconds, mark (as take.lua returned it)

for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  local kind, units = ARGV[at + 1], tonumber(ARGV[at + 2])
  if redis.call('EXISTS', key) == 1 then
    if kind == '2' then
      redis.call('DECRBY', key, units)
    elseif kind == '1' then
      local count, last = string.match(redis.call('HGET', key, ARGV[at + 5]) or '', '^(%d+) (%d+)$')
      if count and tonumber(count) > units then
        redis.call('HSET', key, ARGV[at + 5], string.format('%d %s', tonumber(count) - units, last))
      elseif count then
        redis.call('HDEL', key, ARGV[at + 5])
      end
    else
      local interval = math.ceil(tonumber(ARGV[at + 4]) * 1000000 / tonumber(ARGV[at + 3]))
      local arrival = tonumber(redis.call('GET', key)) - units * interval
      redis.call('SET', key, string.format('%.0f', arrival), 'KEEPTTL')
    end
  end
end
