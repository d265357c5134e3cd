"""Escrows, their milestones and deposits, what was said with a command, and public projects."""

from escrow.models.deposit import Deposit, DepositStatus, KeyExposure
from escrow.models.escrow import Domain, Escrow, EscrowStatus, OnDeadline
from escrow.models.milestone import Milestone, MilestoneStatus, ProofKind, Validator
from escrow.models.note import Note
from escrow.models.project import (
    EscrowGrant,
    ManagerRole,
    Project,
    ProjectEscrow,
    ProjectManager,
    ProjectStatus,
)

__all__ = [
    "Deposit",
    "DepositStatus",
    "Domain",
    "Escrow",
    "EscrowGrant",
    "EscrowStatus",
    "KeyExposure",
    "ManagerRole",
    "Milestone",
    "MilestoneStatus",
    "Note",
    "OnDeadline",
    "Project",
    "ProjectEscrow",
    "ProjectManager",
    "ProjectStatus",
    "ProofKind",
    "Validator",
]
