# Whether a line of the log is a play, and if not, why. The rules are play.json, made from
# workshop_lib/schema/play.py; the words are that file's, too: tests compare them, line by line.
#
# In: the line in `message`, a character a byte. Out: `message`, the line as the generator writes
# one; or [@metadata][reason], [text] and [letter] (a dead letter as JSON).

require "base64"
require "csv"
require "date"
require "json"

class MalformedPlay < StandardError; end

def register(params)
  rules = JSON.parse(File.read(params.fetch("rules")))
  @tolerance = rules.fetch("future_tolerance_seconds")
  @max_line_bytes, @max_int, @max_long = rules.fetch_values("max_line_bytes", "max_int", "max_long")
  @control_character = Regexp.new(rules.fetch("control_character"))
  @quoted = rules.fetch("quoted")
  @patterns = rules.fetch("patterns").transform_values { |each| /\A(?:#{each})\z/ }
end

def filter(event)
  raw = event.get("message").encode("ISO-8859-1").force_encoding("BINARY").sub(/[\r\n]+\z/n, "")
  begin
    event.set("message", line(fields(raw)))
  rescue MalformedPlay => error
    bury(event, raw, error.message)
  end
  [event]
end

def line(row)
  @patterns.keys.zip(row).map { |name, field| @quoted.include?(name) ? %("#{field}") : field }.join(",")
end

# The fields of a play, without blanks around them.
def fields(raw)
  row = columns(text(raw)).map { |field| field.to_s.gsub(/\A[[:space:]]+|[[:space:]]+\z/, "") }
  raise MalformedPlay, "#{row.size} columns instead of #{@patterns.size}" unless row.size == @patterns.size
  @patterns.zip(row) do |(name, pattern), field|
    raise MalformedPlay, "#{name} is wrong: '#{field[0, 40]}'" unless pattern.match?(field)
  end
  event, customer, track, moment = row # the line's first fields; see schema/play.py
  raise MalformedPlay, "event_id is larger than 64 bits" if event.to_i > @max_long
  if [customer, track].any? { |id| id.to_i > @max_int }
    raise MalformedPlay, "customer_id or track_id is larger than 32 bits"
  end
  if time(moment) > Time.now + @tolerance
    raise MalformedPlay, "played_at is in the future: #{moment}"
  end
  row
end

def text(raw)
  raise MalformedPlay, "empty line" if raw.match?(/\A[ \t\n\v\f\r]*\z/n)
  if raw.bytesize > @max_line_bytes
    raise MalformedPlay, "line of #{raw.bytesize} bytes; the most is #{@max_line_bytes}"
  end
  found = raw.dup.force_encoding("UTF-8")
  unless found.valid_encoding?
    wrong = found.each_char.take_while(&:valid_encoding?).sum(&:bytesize)
    raise MalformedPlay, "not UTF-8 at byte #{wrong}"
  end
  found.delete_prefix("\uFEFF")
end

def columns(text)
  control = text.index(@control_character)
  if control
    raise MalformedPlay, "control character #{quoted(text[control])} at column #{control}"
  end
  CSV.parse_line(text) || []
rescue CSV::MalformedCSVError => error
  raise MalformedPlay, "not CSV: #{error.message}"
end

def quoted(character)
  short = { "\n" => "'\\n'", "\r" => "'\\r'" }
  short.fetch(character) { format("'\\x%02x'", character.ord) }
end

def time(text)
  year, month, day, hour, minute, second = text.scan(/\d+/).map(&:to_i)
  calendar = year.positive? && Date.valid_date?(year, month, day)
  unless calendar && hour < 24 && minute < 60 && second < 60
    raise MalformedPlay, "played_at is no date: '#{text}'"
  end
  Time.utc(year, month, day, hour, minute, second) + text[/\.\d+/].to_s.to_r
end

# As workshop_lib/ingest/dead_letters.py writes and reads it. Logstash does not tell where in
# the file a line began: -1.
def bury(event, raw, reason)
  readable = raw.dup.force_encoding("UTF-8").scrub do |bytes|
    bytes.unpack("C*").map { |byte| format("\\x%02x", byte) }.join
  end
  letter = {
    "source" => event.get("[@metadata][source]"), "offset" => -1, "stage" => "ship",
    "error" => "MalformedPlay", "reason" => reason, "text" => readable,
    "base64" => Base64.strict_encode64(raw)
  }
  event.set("[@metadata][reason]", reason)
  event.set("[@metadata][text]", readable)
  event.set("[@metadata][letter]", JSON.generate(letter))
end
