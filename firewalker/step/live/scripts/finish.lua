-- Declares Redis complete, if the lock of the rebuild is still held: a FLUSHALL in the middle has taken it away.
--
-- KEYS: the lock, the epoch. ARGV: the lock's token, the new epoch.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return 1
