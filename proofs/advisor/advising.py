"""From material to a reply: the way through the whole advisor."""

from dataclasses import replace

from proofs.advisor.answer import Advice, RiskLevel
from proofs.advisor.client import ask_model
from proofs.advisor.context import Material, make_context
from proofs.advisor.prompt import make_prompt
from proofs.advisor.reply import Reply, Server

INJECTION_FLAG = "possible_injection"


def consult(material: Material, *, server: Server) -> tuple[Reply, str]:
    """Ask the model about what was gathered: the reply, and the hash of what it was asked.

    Whatever looks written for the model is flagged, and what it calls clean then is a warning:
    somebody has tried to speak to it.
    """
    context = make_context(material)
    prompt = make_prompt(context)
    reply = ask_model(prompt, server=server, known=material.known)
    if reply.advice is not None and context.looks_like_injection:
        reply = replace(reply, advice=_doubted(reply.advice))
    return reply, prompt.sha256


def _doubted(advice: Advice) -> Advice:
    flags = (*(flag for flag in advice.flags if flag != INJECTION_FLAG), INJECTION_FLAG)
    level = advice.risk_level
    return replace(
        advice, flags=flags, risk_level=RiskLevel.WARNING if level is RiskLevel.CLEAN else level
    )
