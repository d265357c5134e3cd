-- The floor of POST /escrows/{id}/deposit: the database work of one confirmed deposit and nothing
-- else, as fixed statements into the real tables, through the same SQL functions as the service.
-- pgbench takes every colon before a word for a variable, also inside quotes.
-- Each client has a key of its own and escrows of its own, as the clients of the benchmark have.
\set key :first_key + :client_id
\set escrow :first_escrow + :client_id + :clients * random(0, :escrows_each - 1)
\set request random(1, 9000000000000000000)

-- Who calls: the key and its user.
SELECT api_key.*, caller.* FROM accounts_apikey AS api_key
  LEFT JOIN accounts_user AS caller ON caller.id = api_key.user_id
 WHERE api_key.id = :key;

BEGIN;

-- The idempotency key: held until commit, looked up.
SELECT granted, fingerprint, status, body
  FROM rest_claim_idempotency_key('floor:' || :key::text, 'floor-' || :request::text, now());

-- The escrow is locked and read; the key that confirms is locked, what it confirms is counted.
SELECT * FROM escrow_escrow WHERE id = :escrow FOR UPDATE;
SELECT * FROM accounts_apikey WHERE id = :key FOR NO KEY UPDATE;
INSERT INTO escrow_keyexposure AS exposure (key_id, currency, open_minor) VALUES (:key, 'EUR', 100)
  ON CONFLICT (key_id, currency) DO UPDATE SET open_minor = exposure.open_minor + 100
  WHERE exposure.open_minor + 100 <= 100000000000000
  RETURNING open_minor;

-- The deposit.
INSERT INTO escrow_deposit (escrow_id, amount_minor, currency, status, source, charge_ref,
                            refunded_minor, reported_by, key_id, created_at, updated_at)
  VALUES (:escrow, 100, 'EUR', 'CONFIRMED', 'collector:' || :key::text, '', 0,
          'apikey:' || 'floor' || :key::text, :key, now(), now())
  RETURNING id AS deposit \gset

-- The posting: transfer, two entries, two balances.
SELECT ledger_post('deposit:' || :deposit::text, 'deposit', 'EUR', now(),
                   ARRAY['collector:' || :key::text, 'escrow:' || :escrow::text || ':' || 'held'],
                   ARRAY['collector', 'escrow_held'], ARRAY['debit', 'credit'],
                   ARRAY[false, true], ARRAY[100, -100]::bigint[]);

-- The totals of the escrow.
UPDATE escrow_escrow SET funded_minor = funded_minor + 100, updated_at = now() WHERE id = :escrow;

-- The audit entry with its number in the escrow's stream.
SELECT * FROM audit_append('escrow:' || :escrow::text, now(), 'apikey:' || 'floor' || :key::text, NULL,
                           'deposit.confirmed', 'deposit:' || :deposit::text,
                           'floor-' || :request::text,
                           '{"amount_minor": 100,"currency":"EUR","deposit_id":' || :deposit::text ||
                           ',"funded_minor": 100,"source":"collector","status":"CONFIRMED"}',
                           NULL, '{}');

-- The answer, stored under the idempotency key.
INSERT INTO kobatela_rest_idempotencyrecord (scope, key, fingerprint, status, body, created_at,
                                             expires_at)
  VALUES ('floor:' || :key::text, 'floor-' || :request::text,
          sha256(:request::text::bytea), 200,
          convert_to('{"id":' || :escrow::text || repeat(' "a field of the answer": "0",', 18) || '}',
                     'UTF8'),
          now(), now() + interval '30 days')
  ON CONFLICT (scope, key) DO UPDATE SET body = EXCLUDED.body;

COMMIT;
