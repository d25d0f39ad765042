-- Gives one turn of a rate back (GCRA). KEYS[1] the bucket, as in gcra.lua. ARGV: µs between turns.
local due = tonumber(redis.call('GET', KEYS[1]) or 0)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
due = due - tonumber(ARGV[1])
if due <= now then
  return redis.call('DEL', KEYS[1])
end
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000))
return 1
