"""The one form of the console's proof page."""

from enum import StrEnum

from django import forms


class Verdict(StrEnum):
    """What a person may do with a pending proof."""

    APPROVE = "approve"
    REJECT = "reject"
    ASK = "ask"


class VerdictForm(forms.Form):
    """A verdict and the words that go with it."""

    verdict = forms.ChoiceField(
        choices=[(item.value, item.value) for item in Verdict], widget=forms.HiddenInput
    )
    note = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(
            attrs={"rows": 3, "placeholder": "Shown to the provider when you reject or ask."}
        ),
    )
    then_next = forms.BooleanField(
        required=False, initial=True, label="Then open the next one that waits"
    )
