-- Whether an entry is still this worker's; if it is, its idle time starts anew.
-- KEYS 1 outbox   ARGV 1 group  2 entry id  3 worker
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1, ARGV[3]) == 0 then
  return 0
end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[2], 'JUSTID')
return 1
