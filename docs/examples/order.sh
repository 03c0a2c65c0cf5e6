#!/usr/bin/env bash
# Places one order with curl and follows it to its end.
# Usage: order.sh [API_URL [KEY]]   or set API_URL and API_KEY.
# Both dialects work: end the URL in /api/v2 or /api/v1.
set -euo pipefail

API_URL=${1:-${API_URL:-http://127.0.0.1:8765/api/v2}}
API_KEY=${2:-${API_KEY:-YOUR_API_KEY}}

# Sends the given parameters and prints the answer; a refusal is printed to stderr and ends the script.
call() {
  local answer
  answer=$(curl --silent --show-error --fail --max-time 30 --retry 3 "$API_URL" \
    --data-urlencode "key=$API_KEY" "$@") || return 1
  if [[ $answer == '{"error":'* ]]; then echo "Refused: $answer" >&2; return 1; fi
  printf '%s\n' "$answer"
}

# The price list: take the first service of type Default, and its smallest quantity.
services=$(call --data action=services)
read -r service quantity < <(tr '{' '\n' <<<"$services" |
  sed -nE '/"type":"[Dd]efault"/ s/^"service":"?([0-9]+).*"min":"([0-9]+)".*/\1 \2/p')
echo "Service $service, quantity $quantity"

echo "Balance: $(call --data action=balance)"

# The idempotency key makes a repeat safe: after a time-out the same order is answered, never a second one.
placed=$(call --header "Idempotency-Key: order-$(date +%s)-$RANDOM$RANDOM" --data action=add \
  --data "service=$service" --data "quantity=$quantity" --data-urlencode "link=https://example.com/my-post")
order=$(sed -E 's/.*"order":"?([0-9]+).*/\1/' <<<"$placed")
echo "Order $order"

# Ask until it has ended; give up after ten minutes.
for _ in {1..300}; do
  status=$(call --data action=status --data "order=$order")
  echo "$status"
  case ${status,,} in
    *'"status":"completed"'*) exit 0 ;;
    *'"status":"partial"'* | *'"status":"canceled"'*) exit 1 ;;
  esac
  sleep 2
done
echo "Order $order has not ended yet" >&2
exit 1
