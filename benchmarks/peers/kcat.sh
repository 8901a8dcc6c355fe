#!/bin/sh
# The log into Kafka as JSON, keyed by customer: kcat.sh LOG KAFKA TOPIC
awk -F, '{
  gsub(/"/, "")
  sub(/ /, "T", $4)
  printf "%s\t{\"event_id\":%s,\"customer_id\":%s,\"track_id\":%s,\"played_at\":\"%s.000Z\",\"is_mobile\":%s,\"zip\":\"%s\"}\n",
    $2, $1, $2, $3, $4, ($5 == "1" ? "true" : "false"), $6
}' "$1" |
  kcat -P -b "$2" -t "$3" -K '\t' -X acks=all -X enable.idempotence=true -X linger.ms=20
