-- Whether an entry still belongs to this worker; if it does, its idle time starts again from 0.
-- KEYS 1 outbox   ARGV 1 group  2 entry id  3 worker
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1, ARGV[3]) == 0 then
  return 0
end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[2], 'JUSTID')
return 1
