-- Move an entry of the outbox to the dead letters: once, however often it is asked.
-- KEYS 1 outbox  2 dead letters  3 tries   ARGV 1 group  2 entry id  3... fields and values
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 3))
redis.call('HDEL', KEYS[3], ARGV[2])
return 1
