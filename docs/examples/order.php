<?php
// Places one order and follows it to its end. Needs PHP 7.4 or newer with its curl extension.
// Usage: php order.php [API_URL [KEY]]   or set API_URL and API_KEY.
// Both dialects work: end the URL in /api/v2 or /api/v1.
declare(strict_types=1);

$url = $argv[1] ?? (getenv('API_URL') ?: 'http://127.0.0.1:8765/api/v2');
$key = $argv[2] ?? (getenv('API_KEY') ?: 'YOUR_API_KEY');

function fail(string $words): void
{
    fwrite(STDERR, $words . PHP_EOL);
    exit(1);
}

/** The answer to an action; ends the program where it is refused. */
function call(string $action, array $parameters = []): array
{
    global $url, $key;
    $form = http_build_query(['key' => $key, 'action' => $action] + $parameters);
    foreach ([1, 2, 4, 0] as $pause) {
        $curl = curl_init($url);
        curl_setopt_array($curl, [CURLOPT_POSTFIELDS => $form, CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 30]);
        $answer = json_decode((string) curl_exec($curl), true);
        $code = curl_getinfo($curl, CURLINFO_HTTP_CODE);
        if ($code === 200 && is_array($answer)) {
            break;
        }
        if ($pause === 0) {
            fail("No answer: HTTP $code " . curl_error($curl));
        }
        sleep($pause); // no answer, or 429 or 503: the same request may be sent again
    }
    if (isset($answer['error'])) {
        fail('Refused: ' . $answer['error']);
    }
    return $answer;
}

// The price list: take the first service of type Default.
$services = array_filter(call('services'), fn ($line) => strtolower($line['type']) === 'default');
$service = reset($services);
echo "Service {$service['service']}: {$service['name']}, {$service['rate']} per 1000", PHP_EOL;

$balance = call('balance');
echo "Balance: {$balance['balance']} {$balance['currency']}", PHP_EOL;

// The idempotency key makes a repeat safe: after a time-out the same order is answered, never a second one.
$placed = call('add', [
    'service' => $service['service'],
    'link' => 'https://example.com/my-post',
    'quantity' => $service['min'],
    'idempotency_key' => bin2hex(random_bytes(16)),
]);
echo "Order {$placed['order']}", PHP_EOL;

// Ask until it has ended; give up after ten minutes.
for ($i = 0; $i < 300; $i++) {
    $status = call('status', ['order' => $placed['order']]);
    echo "{$status['status']}: {$status['remains']} remain, {$status['charge']} charged", PHP_EOL;
    $word = strtolower($status['status']);
    if (in_array($word, ['completed', 'partial', 'canceled'], true)) {
        exit($word === 'completed' ? 0 : 1);
    }
    sleep(2);
}
fail("Order {$placed['order']} has not ended yet");
