"""Stripe: PaymentIntents that collect, Connect transfers that pay, refunds that give back.

`client` alone imports Stripe's own library. `amounts` and `objects` are pure, so that webhooks are
read with the same eyes as answers.
"""
