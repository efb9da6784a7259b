-- KEYS[1] the id; ARGV: fingerprint, token, lease in ms, ms to keep, 1 where a lost outcome may be sent again.
-- Returns nothing where the claim is granted, else state, fingerprint, answer. Time is the server's own, so that
-- gateways whose clocks differ agree on what has lapsed.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'state', 'fingerprint', 'answer', 'lease')
local state = found[1]
if state then
  if state == 'running' and now > tonumber(found[4]) then
    state = 'lapsed'
  end
  local resent = ARGV[5] == '1' and found[2] == ARGV[1] and (state == 'lapsed' or state == 'unknown')
  if not resent then
    return {state, found[2], found[3]}
  end
end
redis.call('HSET', KEYS[1], 'state', 'running', 'fingerprint', ARGV[1], 'token', ARGV[2], 'answer', '',
  'lease', string.format('%.0f', now + ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {}
