"""Escrows, their milestones and deposits, and what was said with a command."""

from escrow.models.deposit import Deposit, DepositStatus, KeyExposure
from escrow.models.escrow import Domain, Escrow, EscrowStatus, OnDeadline
from escrow.models.milestone import Milestone, MilestoneStatus, ProofKind, Validator
from escrow.models.note import Note

__all__ = [
    "Deposit",
    "DepositStatus",
    "Domain",
    "Escrow",
    "EscrowStatus",
    "KeyExposure",
    "Milestone",
    "MilestoneStatus",
    "Note",
    "OnDeadline",
    "ProofKind",
    "Validator",
]
