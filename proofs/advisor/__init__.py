"""AI advice on evidence: context, masking, prompt, client, breaker.

It gives `Advice` and nothing else: nothing here can read or move a state, and what it says can only
add a reason for a person to look.
"""
