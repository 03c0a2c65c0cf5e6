// Places one order and follows it to its end. Needs nothing but Node 18 or newer.
// Usage: node order.mjs [API_URL [KEY]]   or set API_URL and API_KEY.
// Both dialects work: end the URL in /api/v2 or /api/v1.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const API_URL = process.argv[2] || process.env.API_URL || "http://127.0.0.1:8765/api/v2";
const API_KEY = process.argv[3] || process.env.API_KEY || "YOUR_API_KEY";

function fail(words) {
  console.error(words);
  process.exit(1);
}

async function post(body) {
  const response = await fetch(API_URL, { method: "POST", body, signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

// The answer to an action; ends the program where it is refused.
async function call(action, parameters = {}) {
  const form = new URLSearchParams({ key: API_KEY, action, ...parameters });
  let answer;
  for (const pause of [1, 2, 4, 0]) {
    try {
      answer = await post(form);
      break;
    } catch (fault) { // no answer, or 429 or 503: the same request may be sent again
      if (pause === 0) fail(`No answer: ${fault.message}`);
      await sleep(pause * 1000);
    }
  }
  if (answer.error) fail(`Refused: ${answer.error}`);
  return answer;
}

// The price list: take the first service of type Default.
const services = await call("services");
const service = services.find((line) => line.type.toLowerCase() === "default");
console.log(`Service ${service.service}: ${service.name}, ${service.rate} per 1000`);

const balance = await call("balance");
console.log(`Balance: ${balance.balance} ${balance.currency}`);

// The idempotency key makes a repeat safe: after a time-out the same order is answered, never a second one.
const placed = await call("add", {
  service: service.service,
  link: "https://example.com/my-post",
  quantity: service.min,
  idempotency_key: randomUUID(),
});
console.log(`Order ${placed.order}`);

// Ask until it has ended; give up after ten minutes.
for (let i = 0; i < 300; i++) {
  const status = await call("status", { order: placed.order });
  console.log(`${status.status}: ${status.remains} remain, ${status.charge} charged`);
  const word = status.status.toLowerCase();
  if (["completed", "partial", "canceled"].includes(word)) process.exit(word === "completed" ? 0 : 1);
  await sleep(2000);
}
fail(`Order ${placed.order} has not ended yet`);
