"""The one function that posts, and the guards that hold whatever the code does."""

from django.db import migrations

POST = """
-- It runs with the owner's rights: the application may call it and read the tables, nothing more.
-- The id of the transfer, or null when the business key was used before.
CREATE FUNCTION ledger_post(
    p_business_key text, p_code text, p_currency text, p_at timestamptz,
    p_accounts text[], p_kinds text[], p_sides text[], p_guarded boolean[], p_amounts bigint[])
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- An unguarded account has sixteen balance rows. Each connection keeps to one of them, so
    -- that transactions which touch the same PSP account do not wait for one another's commit.
    v_own_stripe CONSTANT smallint := pg_backend_pid() % 16;
    v_transfer bigint;
    v_account record;
    v_leg record;
    v_ids bigint[] := '{}';
    v_stripes smallint[] := '{}';
    v_changes bigint[] := '{}';
BEGIN
    -- A rival with the same key is waited for here: after its commit this inserts nothing.
    INSERT INTO public.ledger_transfer (business_key, code, currency, created_at)
        VALUES (p_business_key, p_code, p_currency, p_at)
        ON CONFLICT (business_key) DO NOTHING RETURNING id INTO v_transfer;
    IF v_transfer IS NULL THEN
        RETURN NULL;
    END IF;

    FOR i IN 1 .. cardinality(p_accounts) LOOP
        SELECT id, normal_side, is_guarded INTO v_account FROM public.ledger_account
            WHERE code = p_accounts[i] AND currency = p_currency;
        IF NOT FOUND THEN
            WITH made AS (
                INSERT INTO public.ledger_account
                        (code, currency, kind, normal_side, is_guarded, created_at)
                    VALUES (p_accounts[i], p_currency, p_kinds[i], p_sides[i], p_guarded[i], p_at)
                    ON CONFLICT DO NOTHING RETURNING id, is_guarded)
            INSERT INTO public.ledger_balance (account_id, stripe, is_guarded, balance_minor)
                SELECT id, stripe, is_guarded, 0
                  FROM made, generate_series(0, CASE WHEN is_guarded THEN 0 ELSE 15 END) AS stripe;
            SELECT id, normal_side, is_guarded INTO STRICT v_account FROM public.ledger_account
                WHERE code = p_accounts[i] AND currency = p_currency;
        END IF;
        v_ids := v_ids || v_account.id;
        v_stripes := v_stripes || CASE WHEN v_account.is_guarded THEN 0::smallint
                                       ELSE v_own_stripe END;
        v_changes := v_changes || CASE v_account.normal_side WHEN 'debit' THEN p_amounts[i]
                                                             ELSE -p_amounts[i] END;
    END LOOP;

    -- Ascending, so that two transfers over the same accounts cannot wait for each other in a
    -- ring. The update takes the lock; the table's CHECK refuses a guarded balance below zero.
    FOR v_leg IN SELECT id, stripe, change
                   FROM unnest(v_ids, v_stripes, v_changes) AS leg (id, stripe, change)
                  ORDER BY id LOOP
        UPDATE public.ledger_balance SET balance_minor = balance_minor + v_leg.change
            WHERE account_id = v_leg.id AND stripe = v_leg.stripe;
    END LOOP;
    INSERT INTO public.ledger_entry (transfer_id, account_id, amount_minor)
        SELECT v_transfer, leg.id, leg.amount FROM unnest(v_ids, p_amounts) AS leg (id, amount);
    RETURN v_transfer;
END
$$;
REVOKE ALL ON FUNCTION ledger_post FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_post TO kobatela_app;
-- Balances change all the time; room on the page keeps the changes out of the index.
ALTER TABLE ledger_balance SET (fillfactor = 50);
"""
DROP_POST = """
ALTER TABLE ledger_balance RESET (fillfactor);
DROP FUNCTION ledger_post;
"""

GUARDS = """
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the books are only added to: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER ledger_account_no_change BEFORE UPDATE OR DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_account_no_truncate BEFORE TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_transfer_no_change BEFORE UPDATE OR DELETE ON ledger_transfer
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_transfer_no_truncate BEFORE TRUNCATE ON ledger_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_entry_no_change BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_balance_no_delete BEFORE DELETE ON ledger_balance
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_balance_no_truncate BEFORE TRUNCATE ON ledger_balance
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE FUNCTION ledger_refuse_lopsided() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_legs bigint;
    v_sum numeric;
BEGIN
    SELECT count(*), sum(amount_minor) INTO v_legs, v_sum
      FROM public.ledger_entry WHERE transfer_id = NEW.transfer_id;
    IF v_legs < 2 OR v_sum <> 0 THEN
        RAISE EXCEPTION 'transfer % has % entries that sum to %', NEW.transfer_id, v_legs, v_sum
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transfer_sums_to_zero';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER ledger_transfer_sums_to_zero AFTER INSERT ON ledger_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_refuse_lopsided();

REVOKE INSERT, UPDATE, DELETE, TRUNCATE
    ON ledger_account, ledger_balance, ledger_transfer, ledger_entry FROM kobatela_app;
"""
DROP_GUARDS = """
GRANT INSERT, UPDATE, DELETE
    ON ledger_account, ledger_balance, ledger_transfer, ledger_entry TO kobatela_app;
DROP TRIGGER ledger_transfer_sums_to_zero ON ledger_entry;
DROP FUNCTION ledger_refuse_lopsided();
DROP TRIGGER ledger_balance_no_truncate ON ledger_balance;
DROP TRIGGER ledger_balance_no_delete ON ledger_balance;
DROP TRIGGER ledger_entry_no_truncate ON ledger_entry;
DROP TRIGGER ledger_entry_no_change ON ledger_entry;
DROP TRIGGER ledger_transfer_no_truncate ON ledger_transfer;
DROP TRIGGER ledger_transfer_no_change ON ledger_transfer;
DROP TRIGGER ledger_account_no_truncate ON ledger_account;
DROP TRIGGER ledger_account_no_change ON ledger_account;
DROP FUNCTION ledger_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]
    operations = [
        migrations.RunSQL(POST, DROP_POST),
        migrations.RunSQL(GUARDS, DROP_GUARDS),
    ]
