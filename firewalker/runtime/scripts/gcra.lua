-- Takes up to so many turns of a rate (GCRA) for one key; answers how many, and if none, in how many µs there is one.
-- KEYS[1] the bucket: when it is full again, in µs of the server's clock. ARGV: µs between turns, burst, turns wanted.
local interval, room = tonumber(ARGV[1]), tonumber(ARGV[1]) * tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- Later than this no bucket can be: a clock that jumped back must not lock anybody out.
local due = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or now), now), now + room)
local granted = math.min(tonumber(ARGV[3]), math.floor((now + room - due) / interval))
if granted < 1 then
  return {0, due + interval - now - room}
end
due = due + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000))
return {granted, 0}
