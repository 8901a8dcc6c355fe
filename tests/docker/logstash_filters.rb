# The filters of docker/logstash/pipeline/play.conf, as their parsed configuration tells, done
# by what Logstash itself does them with: its Ruby (JRuby), Ruby's CSV, Joda-Time. Only the
# event and the table below stand in for Logstash; an unknown filter or option is an error.
#
# In: ARGV[0], a JSON file {"script": path, "filters": [[name, {option: value}]]}; lines of a log
# on standard input. Out: a JSON object a line: the play, or {"metadata": {...}} of a dead letter.

require "csv"
require "json"
require "java"

class Event
  attr_reader :fields, :metadata

  def initialize(message, metadata)
    # What the file input sets beside the line.
    @fields = { "message" => message, "@timestamp" => "", "@version" => "1", "host" => "", "path" => "" }
    @metadata = metadata
  end

  def get(name) = name[/\A\[@metadata\]\[(\w+)\]\z/] ? @metadata[$1] : @fields[name]

  def set(name, value)
    name[/\A\[@metadata\]\[(\w+)\]\z/] ? @metadata[$1] = value : @fields[name] = value
  end
end

CONVERT = {
  "integer" => ->(value) { Integer(value, 10) },
  "boolean" => ->(value) { { "1" => true, "0" => false }.fetch(value) },
}
MUTATE = {
  "convert" => lambda { |event, table|
    table.each do |name, kind|
      value = event.get(name)
      event.set(name, CONVERT.fetch(kind).call(value)) unless value.nil?  # as Logstash does
    end
  },
}
FILTERS = {
  "csv" => lambda { |event, o|
    raise "unknown option" unless o.keys == ["columns"]
    CSV.parse_line(event.get("message"), col_sep: ",", quote_char: '"').each_with_index do |value, i|
      event.set(o["columns"].fetch(i), value)
    end
  },
  "mutate" => ->(event, o) { o.each { |name, value| MUTATE.fetch(name).call(event, value) } },
  "date" => lambda { |event, o|
    raise "unknown option" unless o.keys.sort == %w[match target timezone]
    field, *patterns = o["match"]
    zone = org.joda.time.DateTimeZone.forID(o["timezone"])
    moment = patterns.lazy.map do |pattern|
      org.joda.time.format.DateTimeFormat.forPattern(pattern).withZone(zone).parseDateTime(event.get(field))
    rescue java.lang.IllegalArgumentException
      nil
    end.find(&:itself)
    event.set(o["target"], moment ? moment.withZone(org.joda.time.DateTimeZone::UTC).to_s : "_dateparsefailure")
  },
  "prune" => lambda { |event, o|
    allowed = o.fetch("whitelist_names").map { |pattern| Regexp.new(pattern) }
    event.fields.select! { |name, _| allowed.any? { |pattern| pattern.match?(name) } }
  },
}

task = JSON.parse(File.read(ARGV[0]))
# As logstash-filter-ruby does it.
script = Object.new
script.instance_eval(File.read(task["script"]), task["script"], 1)
script.register(task["script_params"])
$stdin.binmode
$stdin.each_line("\n") do |line|
  # The codec of the input: a character a byte.
  message = line.chomp("\n").force_encoding("ISO-8859-1").encode("UTF-8")
  event = Event.new(message, { "source" => "plays.log:0" })
  script.filter(event)
  unless event.metadata["reason"]
    task["filters"].each { |name, options| FILTERS.fetch(name).call(event, options) }
  end
  puts JSON.generate(event.metadata["reason"] ? { "metadata" => event.metadata } : event.fields)
end
