-- Gives the lock of the rebuild back, if it is still held.
--
-- KEYS: the lock. ARGV: its token.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
